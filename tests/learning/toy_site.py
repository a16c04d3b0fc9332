"""A dataset of toy heads, and the program run on it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from program import call_program
from toy_networks import Toy, toy_head

from bgpvs_wf.imaging.files import save_image


@dataclass
class Site:
    """Two toy heads as a dataset, a model that knows them, and a place to work."""

    root: Path
    toy: Toy

    @classmethod
    def found(cls, root: Path) -> Site:
        """Return a site with an empty dataset."""
        site = cls(root, toy_head())
        for folder in (site.bids, site.bids / "derivatives" / "truth"):
            folder.mkdir(parents=True)
            text = {"Name": "toy", "BIDSVersion": "1.10.0"}
            (folder / "dataset_description.json").write_text(json.dumps(text))
        return site

    @property
    def bids(self) -> Path:
        return self.root / "bids"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def model(self) -> Path:
        return self.root / "model"

    def add(self, subject: str, *suffixes: str) -> None:
        for suffix in suffixes:
            path = self.bids / f"sub-{subject}" / "anat" / f"sub-{subject}_{suffix}.nii.gz"
            save_image(getattr(self.toy, suffix.lower()), self.toy.affine, path)
        path = self.bids / "derivatives" / "truth" / f"sub-{subject}" / "anat"
        name = f"sub-{subject}_desc-aseg_dseg.nii.gz"
        save_image(self.toy.dseg, self.toy.affine, path / name, labels=True)

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        given = ["-w", self.root / "work", "--nprocs", "2", "--no-bias-correction", "-v"]
        given += ["--no-test-time-flips", "--plugin", "Linear"]
        if "--model" not in words:
            given += ["--model", self.model]
        command = ["run", self.bids, self.out, *words, *given]
        return call_program(self.root, *command)

    def load(self, name: str, subject: str = "01") -> np.ndarray:
        path = self.out / f"sub-{subject}" / "anat" / f"sub-{subject}_{name}.nii.gz"
        return np.asanyarray(nib.load(path).dataobj)
