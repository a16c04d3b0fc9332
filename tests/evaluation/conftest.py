from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.imaging.files import save_image, write_table

AFFINE = np.array([[0.0, 0.5, 0, -3], [-0.8, 0, 0, 7], [0, 0, 1.0, 2], [0, 0, 0, 1]])
SHAPE = (12, 16, 10)


@dataclass
class Cohort:
    """Folders with tiny infants: a block for the nuclei, lines of voxels for the tubes."""

    root: Path

    def labels(self, lines: int = 4) -> np.ndarray:
        """Return 0 rest, 1 BG, 2 PVS."""
        data = np.zeros(SHAPE, np.uint8)
        data[1:11, 1:15, 1:9] = 1
        for line in range(lines):
            data[2 + 2 * line, 2 : 6 + 2 * line, 4] = 2
        return data

    def path(self, method: str, who: str, kind: str) -> Path:
        return self.root / method / who.split("_")[0] / "anat" / f"{who}_{kind}"

    def save(self, method: str, who: str, data: np.ndarray, kind: str = "", affine=AFFINE) -> Path:
        path = self.path(method, who, f"{kind or 'desc-bgpvs_dseg'}.nii.gz")
        return save_image(data, affine, path, labels=data.dtype.kind != "f")

    def add_tubes(self, who: str, labels: np.ndarray, **columns) -> None:
        """Write number and table of the tubes, one a line of voxels."""
        numbers = np.zeros(SHAPE, np.int16)
        tubes = np.unique(np.argwhere(labels == 2)[:, 0])
        for number, x in enumerate(tubes, start=1):
            numbers[x][labels[x] == 2] = number
        self.save("truth", who, numbers, "desc-pvs_dseg")
        count = len(tubes)
        table = {"tube": range(1, count + 1), "tree": range(1, count + 1),
                 "diameter_mm": np.linspace(0.6, 1.4, count), "length_mm": 4.0,
                 "volume_mm3": 2.0, "snr": 25.0}  # fmt: skip
        frame = pd.DataFrame(table | columns)
        write_table(frame, self.path("truth", who, "desc-pvs_objects.tsv"))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return Cohort(tmp_path)
