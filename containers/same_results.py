"""Compare two folders of results: labels voxel by voxel, tables cell by cell.

Other images may differ by what is lost in rounding: which kernels a library has for a processor
depends on its environment.

python containers/same_results.py OUT_DIR OTHER_OUT_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

ROUNDING = 1e-4
"""Of probabilities and intensities (seen: 3e-5, between two kernels of OpenBLAS)."""


def images_differ(one: Path, other: Path) -> str:
    """Say how two images differ; nothing if they do not."""
    a, b = nib.load(one), nib.load(other)
    if a.shape != b.shape or not np.array_equal(a.affine, b.affine):
        return "other grid"
    difference = np.abs(np.asanyarray(a.dataobj, float) - np.asanyarray(b.dataobj, float))
    labels = np.issubdtype(a.get_data_dtype(), np.integer)
    different = np.count_nonzero(difference > (0 if labels else ROUNDING))
    return f"{different} voxels, by {difference.max():.3g} at most" if different else ""


def tables_differ(one: Path, other: Path) -> str:
    """Say how two tables differ; nothing if they do not."""
    a, b = (pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False) for path in (one, other))
    if a.shape != b.shape or list(a) != list(b):
        return "other rows or columns"
    cells = (a != b).to_numpy()
    columns = ", ".join(a.columns[cells.any(axis=0)])
    return f"{np.count_nonzero(cells)} cells, of {columns}" if cells.any() else ""


def main(one: Path, other: Path) -> int:
    """Compare all; say what differs, and return the exit status."""
    kinds = {".nii.gz": images_differ, ".tsv": tables_differ}
    wrong = 0
    for suffix, differ in kinds.items():
        names = [
            {path.relative_to(root) for path in root.rglob(f"*{suffix}")} for root in (one, other)
        ]
        lines = [f"{name}: only in one" for name in names[0] ^ names[1]]
        for name in names[0] & names[1]:
            if said := differ(one / name, other / name):
                lines.append(f"{name}: {said}")
        sys.stdout.write("".join(f"{line}\n" for line in sorted(lines)))
        sys.stdout.write(f"*{suffix}: {len(names[0])} compared, {len(lines)} differ\n")
        wrong += len(lines) or not names[0]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
