from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from bgpvs_wf.config import RunConfig


class Tree:
    """A dataset on disk, made of tiny images."""

    def __init__(self, root, description=True):
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        if description:
            self.text("dataset_description.json", json.dumps({"Name": "t", "BIDSVersion": "1.9.0"}))

    def image(self, name, zooms=(0.8, 0.8, 0.8), shape=(4, 5, 6)):
        """Write an image where its name says: sub-01[_ses-02]_..._T2w.nii.gz."""
        parts = [part for part in name.split("_") if part.startswith(("sub-", "ses-"))]
        path = self.root.joinpath(*parts, "anat", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = np.arange(np.prod(shape)).reshape(shape).astype(np.int16)
        nib.save(nib.Nifti1Image(data, np.diag([*zooms, 1.0])), path)
        return path

    def text(self, name, text=""):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def table(self, name, *rows, **sidecar):
        """Write a TSV of rows, and its sidecar."""
        path = self.text(name, "".join("\t".join(map(str, row)) + "\n" for row in rows))
        if sidecar:
            path.with_suffix(".json").write_text(json.dumps(sidecar))
        return path

    def config(self, **settings):
        base = self.root.parent
        return RunConfig(
            **{
                "bids_dir": self.root,
                "output_dir": base / "out",
                "work_dir": base / "work",
                "segmentation": "pseudolabel",
                **settings,
            }
        )


@pytest.fixture
def raw(tmp_path):
    return Tree(tmp_path / "raw")


@pytest.fixture
def derived(tmp_path):
    return Tree(tmp_path / "derived", description=False)
