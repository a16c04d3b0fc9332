"""Memory that a training needs at every step again."""

from __future__ import annotations

import ctypes
import sys

# Parameters of mallopt(3), from glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_LARGE = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, rather than hand it back and ask for it anew.

    The large arrays of a step go to the system and come back as pages that have to be cleared: a
    quarter of the time of a step on a processor. Where there is no glibc, nothing is done.

    Returns
    -------
    bool
        Whether it is done.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_MMAP_MAX, 0), (_ARENA_MAX, 1), (_TRIM_THRESHOLD, _LARGE), (_TOP_PAD, 2**28))
    return all(mallopt(name, value) for name, value in settings)
