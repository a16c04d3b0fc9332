"""How far a training is, in a small file that any process may look at while it runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.imaging.files import write_json
from bgpvs_wf.json_shapes import check_shape
from bgpvs_wf.learning.training.loop import Progress
from bgpvs_wf.reading import load_json

FILE = "monitor.json"
_SECONDS = 2.0
_SHAPE = {
    "step": int, "steps": int, "loss": (float, None), "seconds_left": (float, None),
    "scores": {str: (float, None)},
}  # fmt: skip
_WEIGHT = 0.95
"""Of what was before, in the running mean of the loss."""


class Monitor:
    """Writes where a training is, every few seconds; give it to `train` as `on_step`.

    Parameters
    ----------
    folder : Path
    steps : int
        Of the whole training.
    """

    def __init__(self, folder: Path, steps: int) -> None:
        self._path = folder / FILE
        self._steps = steps
        self._loss: float | None = None
        self._first: tuple[int, float] | None = None
        self._written = 0.0

    def __call__(self, progress: Progress, loss: float) -> None:
        """Take a step in."""
        now = time.monotonic()
        before = loss if self._loss is None else self._loss
        self._loss = _WEIGHT * before + (1 - _WEIGHT) * loss
        if self._first is None:
            self._first = (progress.step, now)
        if now - self._written < _SECONDS and not progress.done:
            return
        self._written = now
        taken = progress.step - self._first[0]
        left = (now - self._first[1]) / taken * (self._steps - progress.step) if taken else None
        write_json(
            {
                "step": progress.step,
                "steps": self._steps,
                "loss": round(self._loss, 4),
                "seconds_left": None if left is None else round(left, 1),
                "scores": progress.scores[-1] if progress.scores else {},
                "done": progress.done,
            },
            self._path,
        )


def read_monitor(path: Path) -> Mapping[str, Any] | None:
    """Return what a monitor wrote last, or None if there is nothing that can be read."""
    try:
        content: dict[str, Any] = load_json(path)
        check_shape(content, _SHAPE)
    except (OSError, ValueError):
        return None
    return content


def running(folder: Path, since: float) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the network and state of each training below a folder that wrote since a time.

    Parameters
    ----------
    folder : Path
        Of all trainings of a model: a folder for each network, in it one for each training.
    since : float
        As `time.time` tells it.
    """
    for path in sorted(folder.glob(f"*/*/{FILE}")):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime >= since and (state := read_monitor(path)):
                yield path.parent.parent.name, state


def describe_state(state: Mapping[str, Any]) -> str:
    """Return loss, last scores and the time left of a training, in words.

    Examples
    --------
    >>> describe_state({"loss": 0.5, "seconds_left": 90, "scores": {"step": 2, "bg_dice": 0.9}})
    'loss 0.500, bg_dice 0.900, 2 min left'
    """
    numbers = {"loss": state["loss"], **state["scores"]}
    parts = [
        f"{key} n/a" if value is None else f"{key} {value:.3f}"
        for key, value in numbers.items()
        if key != "step"
    ]
    left = state.get("seconds_left")
    if left:
        parts.append(f"{left:.0f} s left" if left < 60 else f"{left / 60:.0f} min left")
    return ", ".join(parts)
