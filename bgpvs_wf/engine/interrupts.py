"""What ends a program: an interrupt or a termination, though a node of Nipype holds it back."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def noted_endings() -> Iterator[list[BaseException]]:
    """Note what the handlers of signals raise.

    Nipype takes whatever is raised within an interface for the failure of its node, and the
    plugin `Linear`, whose nodes run in the main process, would go on with the next.

    Yields
    ------
    list of BaseException
        Empty until a signal ends the program. It stays so in a thread, which gets no signals.
    """
    raised: list[BaseException] = []
    if threading.current_thread() is not threading.main_thread():
        yield raised
        return
    former = {n: one for n in _SIGNALS if callable(one := signal.getsignal(n))}

    def note(number: int, frame: FrameType | None) -> None:
        try:
            former[signal.Signals(number)](number, frame)
        except BaseException as error:
            raised.append(error)
            raise

    for number in former:
        signal.signal(number, note)
    try:
        yield raised
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
