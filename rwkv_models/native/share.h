// Units of work that the threads of a parallel region take as they come.

#pragma once

#include <atomic>

namespace {

struct Stage {
    alignas(64) std::atomic<int> taken{0};  // each on a cache line of its own
    alignas(64) std::atomic<int> done{0};
};

// Turns before a thread that waits sleeps: some 50 microseconds, longer than others take to end their units, and far shorter than the
// time for which another program may hold the core of one of them. Asleep, it leaves its own core to that one.
constexpr int SPINS = 1000;

// All threads come here with the same stage and work; when it returns, all units are done. It waits for units, not for
// threads as a barrier would: where other processes hold a core, the threads that do run carry on without the one that does not.
template <class F> inline void share(Stage& stage, int units, const F& work) {
    int finished = 0;
    for (int unit; (unit = stage.taken.fetch_add(1, std::memory_order_relaxed)) < units;) {
        work(unit);
        finished++;
    }
    if (finished && stage.done.fetch_add(finished, std::memory_order_acq_rel) + finished == units) stage.done.notify_all();
    int spins = 0;
    for (int done; (done = stage.done.load(std::memory_order_acquire)) < units; spins++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        if (spins > SPINS) stage.done.wait(done, std::memory_order_acquire);
    }
}

}  // namespace
