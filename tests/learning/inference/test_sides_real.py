"""Sides of a real infant, whichever way its voxels are ordered."""

from __future__ import annotations

import itertools
import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff
from program import call_program

from bgpvs_wf.anatomy.labels import NUCLEI
from bgpvs_wf.imaging.files import load_image, save_image
from bgpvs_wf.imaging.geometry import Grid, coarsen, isotropic_grid, resample
from bgpvs_wf.imaging.intensity import scale_to_brain

pytestmark = pytest.mark.slow

ORDERS = [
    np.column_stack([order, flips])
    for order in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]
"""All ways to order and flip three axes."""
COARSE_MM = 1.6
"""Coarse, to be quick; the nuclei are still told."""


@pytest.fixture(autouse=True, scope="module")
def toy_windows():
    """Leave the networks their windows: the model is the one in the box."""


@pytest.fixture(scope="module")
def coarse(real_data):
    """Return T2w and T1w of an infant, its reference nuclei, and their affine."""
    folder = real_data / "infants" / "sub-01" / "anat"
    images, grid = {}, None
    for name in ("T2w", "T1w"):
        image = load_image(folder / f"sub-01_{name}.nii.gz")
        grid = isotropic_grid(Grid(image.shape, image.affine), COARSE_MM)
        images[name] = coarsen(np.asarray(image.dataobj, np.float32), image.affine, grid)
    reference = load_image(real_data / "reference" / "sub-01_desc-nuclei_dseg.nii.gz")
    labels = resample(np.asanyarray(reference.dataobj), reference.affine, grid, 0)
    return images["T2w"], images["T1w"], labels, grid.affine


def _reordered(data, affine, order):
    return apply_orientation(data, order), affine @ inv_ornt_aff(order, data.shape)


def test_each_of_48_orders_gives_the_same_labels_on_the_same_side(coarse, tmp_path):
    from bgpvs_wf.learning.data.scan import Scan
    from bgpvs_wf.learning.inference.prediction import predict
    from bgpvs_wf.learning.models.bundle import find_model

    t2w, t1w, reference, affine = coarse
    model = find_model("")
    first, seen_first = None, None
    for number, order in enumerate(ORDERS):
        files = {}
        for name, image in (("T2w", t2w), ("T1w", t1w)):
            files[name] = save_image(
                *_reordered(scale_to_brain(image), affine, order), tmp_path / f"{name}.nii.gz"
            )
        seen = {name: load_image(path) for name, path in files.items()}
        scan = Scan.from_arrays(
            np.asarray(seen["T2w"].dataobj), np.asarray(seen["T1w"].dataobj), seen["T2w"].affine
        )
        seen_first = seen_first or scan
        # What the networks see is the same, bit by bit; some are asked nevertheless.
        np.testing.assert_array_equal(scan.images, seen_first.images)
        np.testing.assert_allclose(scan.grid.affine, seen_first.grid.affine, atol=1e-3)
        if number % 9:
            continue
        found = predict(
            model,
            t2w=np.asarray(seen["T2w"].dataobj),
            t1w=np.asarray(seen["T1w"].dataobj),
            affine=seen["T2w"].affine,
            device="cpu",
        )
        assert found.doubts == ()
        labels, place = _reordered(found.anatomy, seen["T2w"].affine, _inverse(order))
        np.testing.assert_allclose(place, affine, atol=1e-3)
        if first is None:
            first = labels
            for index in (11, 12, 50, 51):  # caudate and putamen of either side
                assert _dice(labels == index, reference == index) > 0.65, NUCLEI[index]
        assert (labels != first).mean() < 1e-5


def _inverse(order):
    inverse = np.zeros_like(order)
    for to, (axis, flip) in enumerate(zip(order[:, 0].astype(int), order[:, 1], strict=True)):
        inverse[axis] = (to, flip)
    return inverse


def _dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_without_orientation_sides_are_marked_and_that_is_said(coarse, tmp_path):
    t2w, t1w, _, affine = coarse
    bids = tmp_path / "bids"
    for name, image in (("T2w", t2w), ("T1w", t1w)):
        path = save_image(image, affine, bids / "sub-01" / "anat" / f"sub-01_{name}.nii.gz")
        without = nib.Nifti1Image(image, None)
        without.header.set_zooms((COARSE_MM,) * 3)
        nib.save(without, path)
        header = nib.load(path).header
        assert int(header["qform_code"]) == int(header["sform_code"]) == 0
    about = {"Name": "x", "BIDSVersion": "1.10.0"}
    (bids / "dataset_description.json").write_text(json.dumps(about))
    run = call_program(tmp_path, "run", bids, tmp_path / "out", "-w", tmp_path / "work")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "left and right cannot be trusted" in run.stdout
    anat = tmp_path / "out" / "sub-01" / "anat"
    regions = pd.read_csv(anat / "sub-01_desc-bgpvs_morph.tsv", sep="\t")
    assert set(regions["side"]) == {"left?", "right?", "both"}
    assert "Left-Caudate?" in set(regions["name"])
    warnings = json.loads((anat / "sub-01_desc-bgpvs_morph.json").read_text())["Warnings"]
    assert "left and right cannot be trusted" in " ".join(warnings)
    assert "few PVS of an infant can be seen" in " ".join(warnings)
    assert ">R?<" in (tmp_path / "out" / "sub-01.html").read_text()
