from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from toy_map import straight_grid, toy_labels
from toy_scan import HOME, NUCLEI, OTHER, SIGNALS, scans, toy_scan, tube

from bgpvs_wf.errors import BadImageError, BadLabelsError
from bgpvs_wf.imaging.geometry import Grid, voxel_volume
from bgpvs_wf.imaging.tubes import tube_occupancy
from bgpvs_wf.phantom.hybrid import insert_tubes
from bgpvs_wf.phantom.scan_facts import measure_noise

TUBES = [tube((24, 0, -4)), tube((-24, 3, -4), fill=0.8, width=1.0), tube((13, 10, 8))]


def insert(images, **settings):
    settings.setdefault("tubes", TUBES)
    return insert_tubes(images, NUCLEI, HOME.affine, np.random.default_rng(1), **settings)


def test_what_is_added_is_occupancy_times_contrast():
    images = scans(0, np.float32)
    hybrid = insert(images, blur_voxels=0.0, tubes=[tube((24, 0, -4))])
    added = hybrid.images["T2w"] - images["T2w"][0]
    assert np.abs(added - 400 * hybrid.occupancy).max() < 1
    volume = added.sum() / 400 * voxel_volume(HOME.affine)
    assert volume == pytest.approx(tube((24, 0, -4)).volume_mm3, rel=0.03)


def test_blur_and_fill_keep_the_sum_of_the_signal():
    images = scans(0, np.float32)
    hybrid = insert(images, blur_voxels=0.6)
    wanted = sum(t.fill * t.volume_mm3 for t in TUBES)
    for name, grid in (("T2w", HOME), ("T1w", OTHER)):
        tissue, fluid = SIGNALS[name]
        added = (hybrid.images[name] - images[name][0]).sum() / (fluid - tissue)
        assert added * voxel_volume(grid.affine) == pytest.approx(wanted, rel=0.03)


def test_both_scans_show_the_tubes_at_the_same_places():
    images = scans(0, np.float32)
    hybrid = insert(images, tubes=[tube((24, 0, -4))])
    centres = []
    for name, grid in (("T2w", HOME), ("T1w", OTHER)):
        added = np.abs(hybrid.images[name] - images[name][0])
        centre = ndimage.center_of_mass(added)
        centres.append(grid.affine[:3, :3] @ centre + grid.affine[:3, 3])
    assert np.abs(centres[0] - [24.4, 0, 0]).max() < 0.1
    assert np.abs(centres[0] - centres[1]).max() < 0.1


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_all_else_stays_to_the_bit(dtype):
    images = scans(12, dtype)
    before = {name: image.copy() for name, (image, _) in images.items()}
    hybrid = insert(images)
    for name, (image, affine) in images.items():
        assert (image == before[name]).all()
        changed = hybrid.images[name]
        assert changed.dtype == dtype
        near = np.zeros(image.shape, bool)
        for one in TUBES:
            near[tuple(tube_occupancy(one, Grid(image.shape, affine))[0].T)] = True
        far = ~ndimage.binary_dilation(near, np.ones((7, 7, 7)))
        assert (changed[far] == image[far]).all()
        assert (changed != image).any()
        assert (changed[image == 0] == 0).all()


def test_the_noise_under_a_tube_is_kept():
    noisy, clean = scans(12), scans(0)
    added = {
        key: insert(images, blur_voxels=0.4).images["T2w"].astype(float) - images["T2w"][0]
        for key, images in (("noisy", noisy), ("clean", clean))
    }
    # Differences come from what is taken for tissue and fluid alone.
    assert np.abs(added["noisy"] - added["clean"]).max() < 15
    assert added["clean"].max() > 300


def test_nothing_goes_beyond_what_the_type_holds():
    images = {"T2w": ((toy_scan("T2w", 5) / 4).astype(np.uint8), HOME.affine)}
    image = images["T2w"][0]
    image[image > 200] = 254
    changed = insert(images, tubes=[tube((24, 0, -4), width=3.0)]).images["T2w"]
    assert changed.dtype == np.uint8
    assert changed.max() <= 255
    assert (changed[NUCLEI > 0] >= image[NUCLEI > 0]).all()


def test_truth_goes_with_the_tubes():
    hybrid = insert(scans(8))
    assert hybrid.regions == [51, 12, 50]
    assert set(np.unique(hybrid.bgpvs)) == {0, 1, 2}
    assert ((hybrid.bgpvs > 0) == (NUCLEI > 0)).all()
    assert hybrid.occupancy.max() <= 1
    volume = hybrid.occupancy.sum() * voxel_volume(HOME.affine)
    assert volume == pytest.approx(sum(t.volume_mm3 for t in TUBES), rel=0.03)
    assert hybrid.snr == pytest.approx(500 / 8, rel=0.2)


def test_spaces_of_the_scan_are_ignored_and_kept_away_from():
    images = scans(8)
    own = tube((-24, 0, -4), width=2.5)
    index, share = tube_occupancy(own, HOME)
    image = images["T2w"][0]
    image[tuple(index.T)] += (350 * share).astype(np.uint16)
    hybrid = insert(images, tubes=None, n_tubes=12)
    seen = index[share > 0.7]
    assert hybrid.ignore[tuple(seen.T)].all()
    assert hybrid.ignore.sum() < 12 * len(seen)
    assert (NUCLEI[hybrid.ignore] > 0).all()
    assert not (hybrid.ignore & (hybrid.occupancy > 0)).any()
    assert hybrid.occupancy[tuple(seen.T)].max() == 0
    assert len(hybrid.tubes) >= 5


def test_a_clean_scan_has_nothing_to_ignore():
    assert insert(scans(8)).ignore.sum() == 0


def test_a_tube_put_over_a_space_counts():
    images = scans(8)
    index, share = tube_occupancy(TUBES[0], HOME)
    images["T2w"][0][tuple(index.T)] += (350 * share).astype(np.uint16)
    hybrid = insert(images)
    assert hybrid.ignore.any()
    assert not (hybrid.ignore & (hybrid.occupancy > 0)).any()


def test_same_seed_same_tubes():
    first, again = (insert(scans(8), tubes=None, n_tubes=6) for _ in range(2))
    for name in ("T1w", "T2w"):
        assert (first.images[name] == again.images[name]).all()


def test_tubes_are_as_wide_as_told():
    hybrid = insert(scans(8), tubes=None, n_tubes=6, diameters_mm=(2.0, 2.2))
    trunks = {tube.tree: tube.diameter_mm for tube in reversed(hybrid.tubes)}
    assert all(2.0 <= width <= 2.2 for width in trunks.values())
    assert trunks


def test_one_scan_will_do():
    for name, grid in (("T2w", HOME), ("T1w", OTHER)):
        image = toy_scan(name, 8)
        nuclei = toy_labels(grid, nuclei_only=True)
        rng = np.random.default_rng(0)
        hybrid = insert_tubes({name: (image, grid.affine)}, nuclei, grid.affine, rng, tubes=TUBES)
        sign = 1 if name == "T2w" else -1
        changed = hybrid.images[name].astype(int) - image
        assert sign * changed[hybrid.occupancy > 0.8].mean() > 150


def test_scans_without_fluid_are_refused():
    image = toy_scan("T2w", 8)
    image[image > 700] = 500
    with pytest.raises(BadImageError, match="T2w shows no bright fluid"):
        insert({"T2w": (image, HOME.affine)})
    swapped = toy_scan("T2w", 8), HOME.affine
    with pytest.raises(BadImageError, match="T1w shows no dark fluid"):
        insert({"T2w": swapped, "T1w": swapped})


def test_nuclei_elsewhere_are_refused():
    with pytest.raises(BadLabelsError, match="another grid"):
        insert({"T2w": (toy_scan("T1w", 8), straight_grid(1.0).affine)})
    image = toy_scan("T2w", 8)
    image[NUCLEI > 0] = 0
    with pytest.raises(BadImageError, match="does not show the nuclei"):
        insert({"T2w": (image, HOME.affine)})


@pytest.mark.parametrize("blur", [0.0, 0.5, 0.7])
def test_noise_is_measured_however_smooth(blur):
    image = toy_scan("T2w", 20, np.float32, blur)
    noise = measure_noise(image, NUCLEI > 0)
    assert noise.sd == pytest.approx(20, rel=0.15)
    assert noise.blur == pytest.approx([blur] * 3, abs=0.1 if blur else 0.35)


def test_noise_of_nothing_is_not_known():
    assert np.isnan(measure_noise(np.ones((9, 9, 9)), np.zeros((9, 9, 9), bool)).sd)
    assert measure_noise(np.ones((9, 9, 9)), np.ones((9, 9, 9), bool)).sd == 0


def test_real_infants(real_data):
    images = {}
    for name in ("T2w", "T1w"):
        path = real_data / "infants" / "sub-03" / "anat" / f"sub-03_{name}.nii.gz"
        image = nib.load(path).slicer[100:220, 90:220, 125:205]
        images[name] = (np.asanyarray(image.dataobj), image.affine)
    path = real_data / "reference" / "sub-03_desc-nuclei_dseg.nii.gz"
    nuclei = nib.load(path).slicer[100:220, 90:220, 125:205]
    rng = np.random.default_rng(2)
    hybrid = insert_tubes(images, np.asarray(nuclei.dataobj), nuclei.affine, rng, n_tubes=8)
    assert 25 < hybrid.snr < 60
    assert 0.005 < hybrid.ignore.sum() / np.count_nonzero(hybrid.bgpvs) < 0.1
    full = hybrid.occupancy > 0.5
    assert full.sum() > 20
    for name, sign in (("T2w", 1), ("T1w", -1)):
        before, after = images[name][0].astype(float), hybrid.images[name].astype(float)
        assert sign * (after - before)[full].mean() > 80
        assert (after[before == 0] == 0).all()
        assert np.count_nonzero(after != before) < 0.01 * before.size
