"""Cases in which a scan lies where it does not belong, or is called what it must not be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from fuzzing.drafts import Draft, Random, pick
from fuzzing.ground import CALLS, Site
from fuzzing.judge import DOUBT, FAILS, REFUSED, SAID, Rule
from fuzzing.option_cases import spellings


def _intruder(
    path: str, *, of: str = "bids/sub-01/anat/sub-01_T2w.nii.gz"
) -> Callable[[Site], None]:
    """Return what copies the scan of another infant to a wrong place."""

    def place(site: Site) -> None:
        to = site.root / "bids" / path
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(site.scan("02"), to)

    return place


INTRUDERS: tuple[str, ...] = (
    "sub-01-B/anat/sub-01-B_T2w.nii.gz",
    "sub-01 copy/anat/sub-01_T2w.nii.gz",
    "sub-01_old/anat/sub-01_T2w.nii.gz",
    "sub-01.bak/anat/sub-01_T2w.nii.gz",
    "sub-01~/anat/sub-01_T2w.nii.gz",
    "sub-02/anat/sub-03_T2w.nii.gz",
    "sub-01/anat/sub-02_T2w.nii.gz",
    "sub-01/anat/sub-01_ses-1_T2w.nii.gz",
    "sub-01/anat/sub-01-B_run-2_T2w.nii.gz",
    "sub-01/anat/sub-01_run-9-x_T2w.nii.gz",
    "sub-01/anat/sub-01_T2w copy.nii.gz",
    "sub-01/anat/Copy of sub-01_T2w.nii.gz",
    "sub-01/anat/sub-01_T2w (1).nii.gz",
    "sub-01/anat/sub-01_T2W.nii.gz",
    "sub-03/anat/sub-03_T2W.nii.gz",
    "sub-03/anat/sub-03_T2w.mgz",
    "sub-03/anat/sub-03_T2w.img",
    "sub-03/anat/sub-03_t2w.nii.gz",
    "sub-03/sub-03_T2w.nii.gz",
    "sub-/anat/sub-_T2w.nii.gz",
    "sub--/anat/sub--_T2w.nii.gz",
    "sub-03/anat/sub-3_T2w.nii.gz",
    "Sub-03/anat/Sub-03_T2w.nii.gz",
    "sub-03/ses-1-retest/anat/sub-03_ses-1-retest_T2w.nii.gz",
    "sub-03/ses-a/anat/sub-03_ses-b_T2w.nii.gz",
    "sub-é/anat/sub-é_T2w.nii.gz",
    "sub-0 3/anat/sub-0 3_T2w.nii.gz",
    "sub-$(touch fuzz_canary)/anat/sub-$(touch fuzz_canary)_T2w.nii.gz",
    "sub-03\n/anat/sub-03\n_T2w.nii.gz",
)
"""Scans that are nobody's; or somebody's who cannot be told."""


def misplaced(rng: Random) -> Draft:
    """Put a scan where it does not belong."""
    path, call = pick(rng, INTRUDERS), pick(rng, ("run", "again", "dry-run", "why"))
    place = _intruder(path)
    parts = Path(path).parts
    rule = Rule(
        frozenset({SAID, DOUBT, FAILS, REFUSED}),
        tuple(
            {*spellings(parts[-1]), *spellings(parts[0]), *spellings(parts[1])}
            - {"anat", "sub-01", "sub-02", "sub-03"}
        ),
    )

    def prepare(site: Site) -> Rule:
        place(site)
        return rule

    return Draft(call, f"beside the others {path!r}", CALLS[call], CALLS[call], prepare)
