// Units of work that the threads of a parallel region take as they come.

#pragma once

#include <sched.h>

#include <atomic>

namespace {

struct Stage {
    alignas(64) std::atomic<int> taken{0};  // each on a cache line of its own
    alignas(64) std::atomic<int> done{0};
};

// All threads come here with the same stage and work; when it returns, all units are done. It waits for units, not for
// threads as a barrier would: where other processes hold a core, the threads that do run carry on without the one that does not.
template <class F> inline void share(Stage& stage, int units, const F& work) {
    int finished = 0;
    for (int unit; (unit = stage.taken.fetch_add(1, std::memory_order_relaxed)) < units;) {
        work(unit);
        finished++;
    }
    if (finished) stage.done.fetch_add(finished, std::memory_order_release);
    for (int spins = 0; stage.done.load(std::memory_order_acquire) < units; spins++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        if (spins > 50000) sched_yield();
    }
}

}  // namespace
