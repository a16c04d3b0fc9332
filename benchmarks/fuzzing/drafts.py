"""A case before it has a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fuzzing.ground import Site
from fuzzing.judge import Rule

Random = np.random.Generator


@dataclass(frozen=True)
class Draft:
    """A case before it has a number."""

    call: str
    what: str
    words: tuple[str, ...]
    sound: tuple[str, ...]
    prepare: Callable[[Site], Rule]
    out: str | None = None
    without_rights: bool = False


Random = np.random.Generator


def pick(rng: Random, items: Sequence[Any]) -> Any:
    """Draw one of some things."""
    return items[rng.integers(len(items))]
