"""Running a part of the network again in the backward instead of keeping what it computed."""

from __future__ import annotations

from collections.abc import Callable

from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop


def again_in_backward(function: Callable, *arguments):
    """function(*arguments), keeping the arguments alone for the backward, which calls it again.

    To the end: torch would rather stop the second call by an exception once it has what it needs, and that exception's
    traceback keeps the call's tensors in a cycle of references, alive until Python's collector happens to run.
    """
    with set_checkpoint_early_stop(False):
        return checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)
