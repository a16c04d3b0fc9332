"""Cases by number: what is damaged how, what is called, and the rule its answer is judged by."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fuzzing.drafts import Draft, Random
from fuzzing.file_cases import damaged_bytes, header, special_file, table, text, voxels
from fuzzing.ground import Site
from fuzzing.judge import Rule
from fuzzing.model_cases import model
from fuzzing.name_cases import misplaced
from fuzzing.option_cases import choice, number, path_to_read, path_to_write, unknown_option
from fuzzing.settings_cases import changed_setting


@dataclass(frozen=True)
class Case:
    """A call, and what is done to the site before it."""

    number: int
    kind: str
    call: str
    """A key of `fuzzing.ground.CALLS`."""
    what: str
    """The damage, in words."""
    words: tuple[str, ...]
    sound: tuple[str, ...]
    """The same call without damage."""
    prepare: Callable[[Site], Rule]
    """Damages the site; returns the rule."""
    out: str = ""
    """Folder of results that are compared; empty: none."""
    without_rights: bool = False
    """Permissions count, even for root."""

    @property
    def command(self) -> str:
        """Return what to type."""
        return shlex.join(["bgpvs-wf", *self.words])


_RESULTS = {"run": "new", "again": "out"}
_HEAVY = ("compare", "validate", "train", "finetune", "evaluate", "simulate")


def make_case(seed: int, number: int, only: str = "", light: bool = False) -> Case:
    """Return a case; the same numbers give the same case.

    Parameters
    ----------
    seed, number : int
    only : str
        Name of a kind; cases of it alone are made.
    light : bool
        Make none whose undamaged call takes more than some seconds.
    """
    kind = only or ORDER[number % len(ORDER)]
    rng = np.random.default_rng([seed, number, *kind.encode()])
    draft = KINDS[kind](rng)
    while light and draft.call in _HEAVY:
        draft = KINDS[kind](rng)
    out = _RESULTS.get(draft.call, "") if draft.out is None else draft.out
    return Case(number, kind, draft.call, draft.what, draft.words, draft.sound, draft.prepare, out,
                draft.without_rights)  # fmt: skip


KINDS: dict[str, Callable[[Random], Draft]] = {
    "bytes": damaged_bytes,
    "special file": special_file,
    "header": header,
    "voxels": voxels,
    "names": misplaced,
    "table": table,
    "text": text,
    "setting": changed_setting,
    "model": model,
    "number": number,
    "choice": choice,
    "unknown option": unknown_option,
    "path to read": path_to_read,
    "path to write": path_to_write,
}
ORDER = (
    "bytes", "special file", "header", "number", "text", "voxels", "setting", "path to write",
    "table", "bytes", "special file", "names", "path to read", "setting", "model", "choice",
    "header", "text", "number", "unknown option",
)  # fmt: skip
"""Kinds in turn; some are tried more often."""
