from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tubes import make_tube

from bgpvs_wf.config import QuantifyConfig
from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.quantification import OBJECT_COLUMNS, REGION_COLUMNS, measure, sidecar

TISSUE, FLUID = 100.0, 160.0
AFFINE = np.array([[-0.8, 0, 0, 20], [0, 0, 0.8, -16], [0, 0.8, 0, -16], [0, 0, 0, 1.0]])


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def blocks() -> np.ndarray:
    """Return an anatomy: caudate and putamen face to face, a ventricle, on both sides."""
    anatomy = np.full((50, 20, 20), 2, np.int16)
    for first, labels in ((26, (43, 50, 51, 49)), (23, (4, 11, 12, 10))):
        step = 1 if first == 26 else -1
        for k, label in enumerate(labels):
            ends = sorted((first + step * 5 * k, first + step * (5 * k + 4)))
            anatomy[ends[0] : ends[1] + 1, 3:17, 3:17] = label
    return anatomy


def bg_of(anatomy: np.ndarray) -> np.ndarray:
    return np.isin(anatomy, (11, 12, 13, 26, 50, 51, 52, 58)).astype(np.uint8)


def image_of(anatomy: np.ndarray, pvs: np.ndarray, fluid: float = FLUID) -> np.ndarray:
    share = np.maximum(np.isin(anatomy, (4, 43)), pvs)
    return (TISSUE + (fluid - TISSUE) * share).astype(np.float32)


def row(measured, region, side):
    table = measured.regions
    return table[(table["region"] == region) & (table["side"] == side)].iloc[0]


def planted(seed: int, voxel: float, diameter: float, **kwargs):
    """Plant a tube of known geometry in a large putamen beside a ventricle."""
    tube = make_tube(seed, voxel=voxel, diameter=diameter, **kwargs)
    share = np.pad(tube.occupancy, 6)
    affine = tube.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, 6)
    anatomy = np.full(share.shape, 12, np.int16)
    anatomy[:, :, :3] = 4
    bgpvs = np.where(anatomy == 12, 1, 0).astype(np.uint8)
    bgpvs[share >= 0.5] = 2
    return tube, anatomy, bgpvs, affine, image_of(anatomy, share)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    voxel=st.sampled_from([0.5, 0.8]),
    wide=st.floats(2.0, 3.0),
    curvature=st.sampled_from([0.0, 0.08]),
    flat=st.booleans(),
)
def test_volume_and_length_of_tubes_within_a_tenth(seed, voxel, wide, curvature, flat):
    tube, anatomy, bgpvs, affine, image = planted(
        seed, voxel, wide * voxel, length=5 * wide * voxel, curvature=curvature, flat=flat
    )
    noise = np.random.default_rng(seed).normal(0, 0.03 * (FLUID - TISSUE), image.shape)
    measured = measure(bgpvs=bgpvs, anatomy=anatomy, affine=affine, t2w=image + noise)
    assert len(measured.objects) == 1
    found = measured.objects.iloc[0]
    assert found["volume_fluid_mm3"] == pytest.approx(tube.volume, rel=0.1)
    assert found["volume_tube_mm3"] == pytest.approx(tube.volume, rel=0.1)
    assert found["length_mm"] == pytest.approx(tube.length, rel=0.1)
    assert found["mean_diameter_mm"] == pytest.approx(tube.diameter, rel=0.1)
    total = row(measured, "BG", "both")
    assert total["pvs_volume_fluid_mm3"] == pytest.approx(found["volume_fluid_mm3"], rel=1e-6)
    assert total["pvs_volume_mm3"] == found["volume_mm3"]
    assert total["pvs_length_mm"] == found["total_length_mm"]


@pytest.mark.parametrize("fluid", [20.0, 160.0])
def test_dark_tubes_on_t1w_measure_like_bright_ones_on_t2w(fluid):
    tube, anatomy, bgpvs, affine, image = planted(3, 0.5, 1.2, length=8.0)
    image = TISSUE + (image - TISSUE) / (FLUID - TISSUE) * (fluid - TISSUE)
    measured = measure(bgpvs=bgpvs, anatomy=anatomy, affine=affine, t1w=image)
    found = measured.objects.iloc[0]
    assert found["volume_fluid_mm3"] == pytest.approx(tube.volume, rel=0.02)
    assert np.sign(found["mean_contrast_percent"]) == np.sign(fluid - TISSUE)


def test_nuclei_sides_and_totals_add_up():
    anatomy = blocks()
    bgpvs = bg_of(anatomy)
    rng = np.random.default_rng(0)
    bgpvs[(bgpvs == 1) & (rng.random(bgpvs.shape) < 0.02)] = 2
    image = image_of(anatomy, bgpvs == 2)
    table = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE, t2w=image).regions
    sums = ["volume_mm3", "volume_pv_mm3", "pvs_count", "pvs_volume_mm3", "pvs_volume_fluid_mm3",
            "pvs_volume_tube_mm3",
            "pvs_length_mm"]  # fmt: skip
    nuclei = table[~table["region"].isin(["BG", "Thalamus"])]
    bg = table[table["region"] == "BG"].set_index("side")
    for column in sums:
        by_side = nuclei.groupby("side")[column].sum()
        for side in ("left", "right", "both"):
            assert by_side[side] == pytest.approx(bg.loc[side, column])
    assert bg.loc["both", "volume_mm3"] == pytest.approx((bgpvs > 0).sum() * 0.512)
    assert bg.loc["both", "pvs_volume_mm3"] == pytest.approx((bgpvs == 2).sum() * 0.512)
    assert table["name"].is_unique


def test_sides_follow_the_labels():
    anatomy = blocks()
    bgpvs = bg_of(anatomy)
    bgpvs[11, 8:12, 8] = 2
    assert anatomy[11, 8, 8] == 12
    measured = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE)
    found = measured.objects.iloc[0]
    assert (found["region"], found["side"]) == ("Putamen", "left")
    assert row(measured, "BG", "left")["pvs_count"] == 1
    assert row(measured, "BG", "right")["pvs_count"] == 0
    centre = AFFINE @ (11, 9.5, 8, 1)
    assert found[[f"centroid_{a}_mm" for a in "xyz"]].tolist() == pytest.approx(centre[:3])
    # The second voxel axis is the superior one here.
    assert found["orientation_z"] == pytest.approx(1)
    assert found["inclination_deg"] == pytest.approx(0, abs=1e-3)


def test_a_pvs_across_two_nuclei_counts_once_and_gives_its_voxels_to_both():
    anatomy = blocks()
    bgpvs = bg_of(anatomy)
    bgpvs[11:18, 8, 8] = 2
    inside = anatomy[11:18, 8, 8].tolist()
    putamen, caudate = inside.count(12), inside.count(11)
    assert (putamen, caudate) == (3, 4)
    measured = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE)
    counts = {r: row(measured, r, "left")["pvs_count"] for r in ("Putamen", "Caudate", "BG")}
    assert counts == {"Putamen": 0, "Caudate": 1, "BG": 1}
    assert row(measured, "Putamen", "left")["pvs_volume_mm3"] == pytest.approx(putamen * 0.512)
    assert row(measured, "Caudate", "left")["pvs_volume_mm3"] == pytest.approx(caudate * 0.512)


def test_small_objects_leave_counts_volumes_and_instances():
    anatomy = blocks()
    bgpvs = bg_of(anatomy)
    bgpvs[14, 5:9, 5] = 2
    bgpvs[14, 12, 12] = 2
    bgpvs[12, 14, 14:16] = 2
    config = QuantifyConfig(min_volume_mm3=2 * 0.512)
    measured = measure(
        bgpvs=bgpvs,
        anatomy=anatomy,
        affine=AFFINE,
        t2w=image_of(anatomy, bgpvs == 2),
        config=config,
    )
    assert measured.objects["index"].tolist() == [1, 2]
    assert measured.objects["volume_mm3"].tolist() == pytest.approx([4 * 0.512, 2 * 0.512])
    assert measured.instances.dtype == np.int32
    assert measured.instances[14, 5, 5] == 1
    assert measured.instances[12, 14, 14] == 2
    assert measured.instances[14, 12, 12] == 0
    total = row(measured, "BG", "both")
    assert total["pvs_count"] == 2
    assert total["pvs_volume_mm3"] == pytest.approx(6 * 0.512)
    assert total["pvs_volume_fluid_mm3"] == pytest.approx(6 * 0.512, rel=1e-3)


def test_corners_connect_and_gaps_do_not():
    anatomy = blocks()
    bgpvs = bg_of(anatomy)
    for k in range(4):
        bgpvs[12 + k % 2, 5 + k, 5 + k] = 2
    bgpvs[12, 10, 10] = 2
    measured = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE)
    assert measured.objects["volume_mm3"].tolist() == pytest.approx([4 * 0.512, 0.512])


def test_memory_order_does_not_change_the_numbering():
    anatomy = blocks()
    bgpvs = bg_of(anatomy)
    bgpvs[(bgpvs == 1) & (np.random.default_rng(1).random(bgpvs.shape) < 0.01)] = 2
    first = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE)
    second = measure(
        bgpvs=np.asfortranarray(bgpvs), anatomy=np.asfortranarray(anatomy), affine=AFFINE
    )
    np.testing.assert_array_equal(first.instances, second.instances)


def test_thalamus_is_bg_only_if_asked_for():
    anatomy = blocks()
    bgpvs = bg_of(anatomy)
    apart = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE)
    thalamus = row(apart, "Thalamus", "both")
    assert thalamus["volume_mm3"] == pytest.approx(np.isin(anatomy, (10, 49)).sum() * 0.512)
    assert np.isnan(thalamus["pvs_volume_mm3"])
    assert row(apart, "BG", "both")["volume_mm3"] == pytest.approx(bgpvs.sum() * 0.512)
    bgpvs[np.isin(anatomy, (10, 49))] = 1
    bgpvs[np.argwhere(anatomy == 10)[200][0], 8:12, 8] = 2
    joint = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE, include_thalamus=True)
    assert row(joint, "BG", "both")["volume_mm3"] == pytest.approx((bgpvs > 0).sum() * 0.512)
    assert row(joint, "BG", "both")["pvs_count"] == row(joint, "Thalamus", "left")["pvs_count"] == 1


def test_the_closed_region_has_a_rest_and_nuclei_have_none():
    anatomy = blocks()
    anatomy[anatomy == 11] = 2
    bgpvs = np.isin(blocks(), (11, 12, 50, 51)).astype(np.uint8)
    gap = (anatomy == 2) & (bgpvs == 1)
    bgpvs[np.argwhere(gap)[100][0], 6:10, 8] = 2
    closed = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE, bg_region="closed")
    rest = row(closed, "BG-rest", "left")
    assert rest["volume_mm3"] == pytest.approx(gap.sum() * 0.512)
    assert rest["pvs_count"] == 1
    assert row(closed, "BG-rest", "right")["volume_mm3"] == 0
    nuclei = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE)
    assert "BG-rest" not in set(nuclei.regions["region"])
    for measured in (closed, nuclei):
        assert row(measured, "BG", "left")["volume_mm3"] == pytest.approx(
            ((bgpvs > 0) & (np.arange(50) < 25)[:, None, None]).sum() * 0.512
        )


def test_lentiform_replaces_putamen_and_pallidum_where_a_source_has_it():
    anatomy = blocks()
    anatomy[anatomy == 12] = 9012
    anatomy[anatomy == 51] = 9051
    bgpvs = np.isin(anatomy, (11, 50, 9012, 9051)).astype(np.uint8)
    regions = set(measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE).regions["region"])
    assert "Lentiform" in regions
    assert not regions & {"Putamen", "Pallidum"}


def test_without_intensities_partial_volumes_are_missing_and_lengths_are_not():
    anatomy = blocks()
    bgpvs = bg_of(anatomy)
    bgpvs[11, 4:16, 8] = 2
    probability = np.where(bgpvs == 2, 0.75, 0.1)
    measured = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE, probability=probability)
    found = measured.objects.iloc[0]
    assert np.isnan(found["volume_fluid_mm3"])
    assert np.isnan(found["mean_contrast_percent"])
    assert found["length_mm"] == pytest.approx(12 * 0.8, rel=0.05)
    assert found["mean_probability"] == pytest.approx(0.75)
    total = row(measured, "BG", "both")
    assert np.isnan(total["volume_pv_mm3"])
    assert np.isnan(total["pvs_fraction_tube"])
    assert total["pvs_fraction"] == pytest.approx(12 / (bgpvs > 0).sum())


def test_without_ventricles_the_signal_of_csf_is_unknown():
    anatomy = blocks()
    anatomy[np.isin(anatomy, (4, 43))] = 2
    bgpvs = bg_of(anatomy)
    bgpvs[11, 4:16, 8] = 2
    image = np.where(bgpvs == 2, FLUID, TISSUE)
    found = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE, t2w=image).objects.iloc[0]
    assert np.isnan(found["volume_fluid_mm3"])
    assert found["mean_contrast_percent"] == pytest.approx(60)


def test_contrast_is_relative_to_the_nucleus_around():
    anatomy = blocks()
    bgpvs = bg_of(anatomy)
    bgpvs[11, 4:16, 8] = 2
    image = np.where(np.isin(anatomy, (12, 51)), 80.0, 120.0)
    image[np.isin(anatomy, (4, 43))] = 200
    image[bgpvs == 2] = 100
    found = measure(bgpvs=bgpvs, anatomy=anatomy, affine=AFFINE, t2w=image).objects.iloc[0]
    assert found["mean_contrast_percent"] == pytest.approx(25)
    # (100 - 80) / (200 - 80) of twelve voxels
    assert found["volume_fluid_mm3"] == pytest.approx(12 * 0.512 / 6, rel=1e-3)


def test_nothing_to_measure():
    empty = np.zeros((6, 6, 6), np.uint8)
    measured = measure(bgpvs=empty, anatomy=empty, affine=AFFINE, t2w=np.ones(empty.shape))
    assert measured.objects.empty
    assert list(measured.objects.columns) == list(OBJECT_COLUMNS)
    assert not measured.instances.any()
    total = row(measured, "BG", "both")
    assert (total["volume_mm3"], total["pvs_count"]) == (0, 0)
    assert np.isnan(total["pvs_fraction"])


def test_an_empty_nucleus_has_a_row():
    anatomy = blocks()
    pallidum = row(
        measure(bgpvs=bg_of(anatomy), anatomy=anatomy, affine=AFFINE), "Pallidum", "left"
    )
    assert (pallidum["volume_mm3"], pallidum["pvs_count"], pallidum["pvs_length_mm"]) == (0, 0, 0)
    assert np.isnan(pallidum["pvs_fraction"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bgpvs": np.full((50, 20, 20), 3)}, "labels"),
        ({"t2w": np.ones((4, 4, 4))}, "t2w has shape"),
        ({"anatomy": np.zeros((50, 20, 20), int)}, "none of the nuclei"),
    ],
)
def test_bad_input_is_named(change, message):
    anatomy = blocks()
    given_arrays = {"bgpvs": bg_of(anatomy), "anatomy": anatomy, "affine": AFFINE, **change}
    with pytest.raises(BadLabelsError, match=message):
        measure(**given_arrays)


def test_every_column_is_described():
    anatomy = blocks()
    measured = measure(bgpvs=bg_of(anatomy), anatomy=anatomy, affine=AFFINE)
    assert list(measured.regions.columns) == list(REGION_COLUMNS)
    for columns in (REGION_COLUMNS, OBJECT_COLUMNS):
        for name, about in sidecar(columns, columns).items():
            assert about["Description"]
            for unit in ("mm3", "mm", "deg"):
                assert name.endswith(f"_{unit}") == (about.get("Units") == unit)


def test_the_volume_of_all_tubes_has_an_interval_where_a_margin_is_known():
    _, anatomy, bgpvs, affine, image = planted(3, 0.5, 1.2, length=8.0)
    told = {"bgpvs": bgpvs, "anatomy": anatomy, "affine": affine}
    ends = ["pvs_volume_tube_low_mm3", "pvs_volume_tube_high_mm3"]
    known = measure(**told, t2w=image, margin=0.5).regions
    order = list(known.columns)
    assert order[order.index("pvs_volume_tube_mm3") + 1 :][:2] == ends
    whole = (known["region"] == "BG") & (known["side"] == "both")
    volume, low, high = known.loc[whole, ["pvs_volume_tube_mm3", *ends]].to_numpy()[0]
    assert low == pytest.approx(max((volume + 10) / np.exp(0.5) - 10, 0))
    assert high == pytest.approx((volume + 10) * np.exp(0.5) - 10)
    assert 0 <= low < volume < high
    assert known.loc[~whole, ends].isna().all(axis=None)
    assert measure(**told, t2w=image).regions[ends].isna().all(axis=None)
    # Without an image there are no tubes.
    assert measure(**told, margin=0.5).regions[ends].isna().all(axis=None)


def test_tubes_are_fluid_over_how_bright_it_is():
    """The images tell it where nobody knows."""
    _, anatomy, bgpvs, affine, image = planted(3, 0.5, 1.2, length=8.0)
    told = {"bgpvs": bgpvs, "anatomy": anatomy, "affine": affine, "t2w": image}
    alone = row(measure(**told), "BG", "both")
    seen = alone["pvs_volume_fluid_mm3"] / alone["pvs_volume_tube_mm3"]
    assert 0.9 < seen <= 1
    for brightness in (0.5, 1.0):
        measured = measure(**told, brightness=brightness)
        for table, name in ((measured.objects, "volume"), (measured.regions, "pvs_volume")):
            expected = table[f"{name}_fluid_mm3"] / brightness
            np.testing.assert_allclose(table[f"{name}_tube_mm3"], expected)
