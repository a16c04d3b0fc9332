"""How far a training is, in a small file that any process may look at while it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.imaging.files import write_json
from bgpvs_wf.learning.training import Progress
from bgpvs_wf.reading import load_json
from bgpvs_wf.shapes import check_shape

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
