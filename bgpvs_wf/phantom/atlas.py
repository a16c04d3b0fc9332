"""The embedded atlas: the phantom without variation, tubes and noise, at six ages.

``python -m bgpvs_wf.phantom.atlas OUT`` rebuilds it, the same bytes every time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from bgpvs_wf.bids.ages import TERM_WEEKS, WEEKS_PER_MONTH
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.imaging.files import save_image, write_json

NAME = "synthetic"
VOXEL_MM = 1.0
FOLD_SEED = 7
INTENSITY_STEPS = 250
"""Grey levels of fluid on T2w: coarse enough to pack small, finer than any tissue contrast."""


def _months(number: float) -> float:
    """Return the post-menstrual weeks of an age in months from term."""
    return TERM_WEEKS + number * WEEKS_PER_MONTH


AGES: dict[str, tuple[float, float, float]] = {
    "32w": (32.0, 28.0, 36.0),
    "40w": (40.0, 36.0, 46.0),
    "3m": (_months(3), 46.0, _months(4.5)),
    "6m": (_months(6), _months(4.5), _months(9)),
    "12m": (_months(12), _months(9), _months(18)),
    "24m": (_months(24), _months(18), 160.0),
}
"""Name to age, youngest and oldest age served, post-menstrual weeks."""


def build_atlas(out: Path, ages: tuple[str, ...] = tuple(AGES)) -> Path:
    """Write the atlas, or some ages of it.

    Parameters
    ----------
    out : Path
        Folder; files of the same names are replaced.
    ages : tuple of str
        Of `AGES`.

    Returns
    -------
    Path
        Of ``atlas.json``.

    Raises
    ------
    BGPVSError
        If the folder cannot be written to.
    """
    entries = [_write_age(Path(out), name) for name in ages]
    description = {
        "name": NAME,
        "description": "Analytic infant brain, drawn by bgpvs_wf.phantom; no person was scanned. "
        "Rebuild it with: python -m bgpvs_wf.phantom.atlas OUT",
        "license": "Apache-2.0",
        "citation": "bgpvs-wf, https://doi.org/10.1002/jmri.70298 for the method it serves",
        "entries": entries,
    }
    return write_json(description, Path(out) / "atlas.json")


def _write_age(out: Path, name: str) -> dict[str, Any]:
    from bgpvs_wf.anatomy.contrast import tissue_contrast
    from bgpvs_wf.phantom.acquisition import grid_around
    from bgpvs_wf.phantom.brain import draw_brain

    age, youngest, oldest = AGES[name]
    brain = draw_brain(age, np.random.default_rng(FOLD_SEED), variation=0.0)
    grid = grid_around(*brain.extent(np.eye(3)), (VOXEL_MM,) * 3)
    canvas = brain.paint(grid, {name: tissue_contrast(age, name) for name in ("T1w", "T2w")})
    stem = f"age-{name}"
    images = {}
    for modality, signal in canvas.signals.items():
        # Rounding hides differences in the last bits between machines.
        levels = np.round(signal * INTENSITY_STEPS).astype(np.uint8)
        images[modality] = f"{stem}_{modality}.nii.gz"
        save_image(levels, grid.affine, out / images[modality])
    dseg = f"{stem}_dseg.nii.gz"
    save_image(canvas.dseg, grid.affine, out / dseg, labels=True)
    return {
        "age_weeks": round(age, 2),
        "min_age_weeks": round(youngest, 2),
        "max_age_weeks": round(oldest, 2),
        **images,
        "dseg": dseg,
        "probsegs": {},
    }


def main(argv: list[str] | None = None) -> int:
    """Rebuild the atlas in the folder given."""
    arguments = sys.argv[1:] if argv is None else argv
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m bgpvs_wf.phantom.atlas OUT\n")
        return 2
    try:
        build_atlas(Path(arguments[0]))
    except BGPVSError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
