"""A model on a toy head, which it knows by brightness: what goes where, on any grid."""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation
from toy_networks import Toy, random_model, random_network, toy_head, toy_model

from bgpvs_wf.anatomy.labels import BG_LABELS, NUCLEI
from bgpvs_wf.anatomy.starts import TURNS
from bgpvs_wf.errors import BadImageError, BadLabelsError, ModelError, UsageError
from bgpvs_wf.imaging.geometry import Grid, isotropic_grid, voxel_sizes
from bgpvs_wf.learning.data.classes import COARSE_CLASSES
from bgpvs_wf.learning.data.scan import canonical
from bgpvs_wf.learning.heads.lie import Lie
from bgpvs_wf.learning.inference import localisation
from bgpvs_wf.learning.inference.ensemble import FoundPVS
from bgpvs_wf.learning.inference.localisation import tidy_nuclei
from bgpvs_wf.learning.inference.prediction import Prediction, predict
from bgpvs_wf.learning.inference.resampling import to_own_grid
from bgpvs_wf.learning.models.bundle import Model
from bgpvs_wf.learning.nets import sliding_window
from bgpvs_wf.learning.nets.architectures import ANATOMY, COARSE, PVS, build_network
from bgpvs_wf.pseudolabels.region import bg_mask

MAPS = ("anatomy", "dseg", "pvs_probability", "bg_probability", "uncertainty")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    return toy_model(tmp_path_factory.mktemp("model") / "toy")


@pytest.fixture(scope="module")
def toy() -> Toy:
    return toy_head((0.8, 0.8, 0.8))


@pytest.fixture(scope="module")
def found(model, toy) -> Prediction:
    return _predict(model, toy)


def _predict(model: Model, toy: Toy, **options) -> Prediction:
    arguments = {"t2w": toy.t2w, "t1w": toy.t1w, "affine": toy.affine, "flips": False, **options}
    return predict(model, device="cpu", **arguments)


def test_nuclei_and_pvs_are_found_to_the_voxel(model):
    toy = toy_head()
    found = _predict(model, toy)
    np.testing.assert_array_equal(found.anatomy, toy.dseg)
    np.testing.assert_array_equal(found.dseg, toy.bgpvs)
    assert found.anatomy.dtype == np.int16
    assert found.dseg.dtype == np.uint8
    told = ("nuclei_sureness", "nuclei_outside_of_hull", "hull_filled_by_nuclei")
    told += ("bg_mean_probability", "bg_mean_uncertainty")
    assert all(0 <= found.record[name] <= 1 for name in told)
    assert found.record["nuclei_sureness"] > 0.9
    assert found.record["bg_mean_probability"] > 0.9
    assert found.record["nuclei_outside_of_hull"] < 0.2
    assert {name: value for name, value in found.record.items() if name not in told} == {
        "strategy": "manual",
        "model": "toy",
        "checksum": model.checksum,
        "members": 1,
        "modalities": ["T2w", "T1w"],
        "pvs_threshold": 0.5,
        "nuclei": "found by the model",
        "sides_against_header": False,
        "bg_volume_mm3": float((toy.bgpvs > 0).sum()),
        "pvs_too_faint_mm3": 0.0,
        "pvs_brightness": 1.0,
        "pvs_found_again": 1.0,
        "pvs_volume_mm3": float(toy.tubes.sum()),
    }


def test_nuclei_come_back_from_the_fine_grid(found, toy):
    np.testing.assert_array_equal(found.dseg == 2, toy.tubes)
    # At rims, where voxels hold two tissues, the toy's networks guess.
    for label in (0, 12, 51, 213):
        inside = ndimage.binary_erosion(toy.dseg == label, iterations=2, border_value=1)
        assert (found.anatomy[inside] == label).all()


def test_thick_slices(model):
    toy = toy_head((0.6, 0.6, 1.2))
    found = _predict(model, toy)
    inside, true = found.dseg > 0, toy.bgpvs > 0
    assert 2 * (inside & true).sum() > 0.9 * (inside.sum() + true.sum())
    assert found.dseg.shape == toy.dseg.shape


@given(
    voxel=st.tuples(*[st.floats(0.3, 2.5)] * 3),
    shape=st.tuples(*[st.integers(4, 12)] * 3),
    slope=st.tuples(*[st.floats(-1, 1)] * 3),
)
def test_what_changes_evenly_comes_back_from_the_fine_grid(voxel, shape, slope):
    """Beyond the outermost voxels of the fine grid there is nothing to go by."""
    own = Grid(shape, np.diag([*voxel, 1.0]))
    grid = isotropic_grid(own, 1.0)
    share, expected = (
        np.tensordot(slope, _places(one), 1).astype(np.float32) for one in (grid, own)
    )
    ends = nib.affines.apply_affine(grid.affine, [[0, 0, 0], np.array(grid.shape) - 1])
    inner = np.all(
        [(p >= low) & (p <= high) for p, low, high in zip(_places(own), *ends, strict=True)], 0
    )
    back = to_own_grid(share[None], grid, own)[0]
    assert back.shape == own.shape
    np.testing.assert_allclose(back[inner], expected[inner], atol=1e-4)


def _places(grid: Grid) -> np.ndarray:
    return np.moveaxis(
        nib.affines.apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0
    )


def test_maps_agree_with_each_other(found, toy, model):
    for name in ("pvs_probability", "bg_probability", "uncertainty"):
        data = getattr(found, name)
        assert data.dtype == np.float32
        assert data.shape == toy.dseg.shape
        assert 0 <= data.min() <= data.max() <= 1
    np.testing.assert_array_equal(found.dseg == 2, found.pvs_probability >= model.pvs_threshold)
    assert found.bg_probability[toy.dseg == 0].mean() < 0.1
    assert found.bg_probability[(toy.dseg == 12) & ~toy.tubes].mean() > 0.9
    # Where all is clear, nothing is uncertain.
    assert found.uncertainty[0, 0, 0] < 1e-3
    edge = found.uncertainty > 0.5
    assert edge.sum() < 0.05 * edge.size


def test_the_margin_of_volumes_is_told_for_the_region_that_it_was_settled_on(model, toy, found):
    key = "pvs_volume_margin"
    assert key not in found.record
    known = dataclasses.replace(model, tube_volume_margin=0.4)
    assert _predict(known, toy).record[key] == 0.4
    assert _predict(known, toy, anatomy=toy.dseg).record[key] == 0.4
    assert key not in _predict(known, toy, include_thalamus=True).record
    assert key not in _predict(known, toy, bg_region="closed").record


@settings(max_examples=5)
@given(
    axes=st.permutations(range(3)),
    signs=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    angle=st.floats(-0.3, 0.3),
)
def test_the_order_of_axes_changes_nothing_in_space(model, toy, found, axes, signs, angle):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    order = np.stack([axes, signs], axis=1)
    affine = turn @ toy.affine @ nib.orientations.inv_ornt_aff(order, toy.t2w.shape)
    t2w, t1w = (nib.apply_orientation(image, order) for image in (toy.t2w, toy.t1w))
    turned = _predict(model, toy, t2w=t2w, t1w=t1w, affine=affine)
    for name in MAPS:
        data = getattr(turned, name)
        assert data.shape == t2w.shape
        back, its_affine = canonical(data, affine)
        np.testing.assert_allclose(its_affine, turn @ toy.affine, atol=1e-9)
        np.testing.assert_allclose(back, getattr(found, name), atol=1e-5)


@pytest.mark.parametrize("axis", [None, 0, 1, 2])
@pytest.mark.parametrize("how", ["finds none", "is less sure"])
def test_a_header_that_is_wrong_by_half_a_turn_is_noticed(model, toy, monkeypatch, axis, how):
    """The coarse network does not like heads whose front or top is not where it belongs."""
    marked = toy.t2w.copy()
    marked[20:30, 28:34, 22:28] = 200
    apply = localisation.apply_network

    def upright_only(network, config, images, **options):
        shares = apply(network, config, images, **options)
        place = np.argwhere(images[0] == images[0].max()).mean(axis=0)[1:]
        if not (place > np.array(images.shape[2:]) / 2).all():
            if how == "finds none":
                shares[COARSE_CLASSES.index("brain")] = 2
            shares = 0.95 * shares + 0.01
        return shares

    monkeypatch.setattr(localisation, "apply_network", upright_only)
    turn = np.eye(4)
    if axis is not None:
        turn[:3, :3] = Rotation.from_rotvec(np.pi * np.eye(3)[axis]).as_matrix()
    told = _predict(model, toy, t2w=marked, affine=turn @ toy.affine)
    upright = _predict(model, toy, t2w=marked)
    assert upright.anatomy.any()
    # Sides are those of the anatomy.
    for name in MAPS:
        np.testing.assert_allclose(getattr(told, name), getattr(upright, name), atol=1e-5)
    if axis is None:
        assert told.doubts == ()
    else:
        assert f"when the head is {TURNS[axis + 1]} by 180 degrees" in told.doubts[0]


@pytest.mark.parametrize("axis", [None, 2])
def test_what_is_found_is_held_against_what_was_seen_in_the_whole_head(model, toy, axis):
    turn = np.eye(4)
    if axis is not None:
        turn[:3, :3] = Rotation.from_rotvec(np.pi * np.eye(3)[axis]).as_matrix()
    affine = turn @ toy.affine
    middle = nib.affines.apply_affine(
        affine, np.argwhere(np.isin(toy.dseg, list(NUCLEI))).mean(axis=0)
    )
    # The head lies along the voxels; turned by half a turn, it is seen so.
    axes = turn[:3, :3]
    brain = toy.t2w > 0
    said = []
    for away, volume in ((0, 10), (20, 1)):
        lie = Lie(axes, 0.8, middle + np.array([0, away, 0]), volume)
        said.append(_predict(model, toy, affine=affine, lie=lie, brain=brain).record)
    assert said[0]["head_sureness"] == 0.8
    assert said[0]["hulls_apart_mm"] < 3
    assert said[1]["hulls_apart_mm"] == pytest.approx(20, abs=3)
    assert said[1]["hulls_volume_ratio"] == pytest.approx(
        10 * said[0]["hulls_volume_ratio"], abs=0.1
    )
    share = np.isin(toy.dseg, BG_LABELS).sum() / brain.sum()
    assert said[0]["bg_share_of_brain"] == pytest.approx(share, rel=0.05)
    assert "hulls_apart_mm" not in _predict(model, toy).record


def test_how_else_a_head_may_lie_is_looked_at(model, toy, monkeypatch):
    """The toy is seen however it lies; here one way is the surest."""
    ways = [Rotation.from_rotvec(np.radians(d) * np.eye(3)[2]).as_matrix() for d in (25, 40)]
    lie, other = (Lie(way, 0.8, np.zeros(3), 10.0) for way in ways)

    def sure_of_the_other(shares: np.ndarray, grid: Grid) -> float:
        axes = grid.affine[:3, :3] / voxel_sizes(grid.affine)
        return 0.9 if np.allclose(np.trace(axes), np.trace(ways[1]), atol=1e-3) else 0.5

    monkeypatch.setattr(localisation, "_sureness", sure_of_the_other)
    assert _predict(model, toy, lie=lie).record["head_turned_degrees"] == 25
    lie = dataclasses.replace(lie, others=(other,))
    assert _predict(model, toy, lie=lie).record["head_turned_degrees"] == 40


def test_with_mirror_images_both_sides_are_found_alike():
    """The nuclei on the left of the mirror image are those on the right."""
    config, weights = random_network(COARSE)
    network = build_network(config)
    network.load_state_dict(weights)
    network.eval()
    image = np.random.default_rng(5).normal(size=(2, 20, 18, 16)).astype(np.float32)
    mirror = np.ascontiguousarray(image[:, ::-1])
    shares, of_mirror = (
        localisation.apply_network(network, config, seen, flips=True) for seen in (image, mirror)
    )
    left, right = (COARSE_CLASSES.index(f"{side} nuclei") for side in ("left", "right"))
    np.testing.assert_allclose(of_mirror[left, ::-1], shares[right], atol=1e-6)
    np.testing.assert_allclose(of_mirror[right, ::-1], shares[left], atol=1e-6)
    np.testing.assert_allclose(of_mirror[:left, ::-1], shares[:left], atol=1e-6)
    once = localisation.apply_network(network, config, image)
    assert np.abs(once - shares).max() > 0.01


def test_given_nuclei_are_kept_and_need_no_coarse_network(model, toy, tmp_path):
    lone = toy_model(tmp_path / "lone")
    (lone.folder / "models" / "coarse.pt").unlink()
    # A given nucleus is larger than what the model sees.
    anatomy = np.where(toy.dseg > 0, toy.dseg, 0)
    anatomy[np.roll(anatomy, 1, 0) == 12] = 12
    found = _predict(lone, toy, anatomy=anatomy)
    np.testing.assert_array_equal(found.anatomy, anatomy)
    np.testing.assert_array_equal(found.dseg > 0, np.isin(anatomy, (12, 51)))
    np.testing.assert_array_equal(found.dseg == 2, toy.tubes)
    np.testing.assert_array_equal(found.bg_probability, np.isin(anatomy, (12, 51)))
    assert found.record["nuclei"] == "given"


def test_a_given_lentiform_nucleus_will_do(model):
    toy = toy_head()
    anatomy = np.where(toy.dseg == 12, 9012, np.where(toy.dseg == 51, 9051, 0))
    found = _predict(model, toy, anatomy=anatomy)
    np.testing.assert_array_equal(found.anatomy, anatomy)
    np.testing.assert_array_equal(found.dseg, toy.bgpvs)


def test_one_image_is_enough(model, toy):
    """The toy's model tells PVS by the T2w alone."""
    found = _predict(model, toy, anatomy=toy.dseg, t1w=None)
    assert found.record["modalities"] == ["T2w"]
    np.testing.assert_array_equal(found.dseg, toy.bgpvs)
    found = _predict(model, toy, anatomy=toy.dseg, t2w=None)
    assert found.record["modalities"] == ["T1w"]
    np.testing.assert_array_equal(found.dseg > 0, np.isin(toy.dseg, (12, 51)))


def heedless(seed: int = 0):
    """Return a network for PVS to which brightness is nothing, as `write_bundle` takes it."""
    config, weights = random_network(PVS, seed)
    of_fluid = [number for number, name in enumerate(config.inputs) if "fluid" in name]
    assert len(of_fluid) == 3
    weights["layers.0.weight"][:, of_fluid] = 0
    return config, weights


def test_members_are_averaged(toy, tmp_path):
    members = [[random_network(ANATOMY, seed=seed), heedless(seed)] for seed in (1, 2)]
    single = [
        _predict(random_model(tmp_path / f"{i}", fine=[one]), toy, anatomy=toy.dseg)
        for i, one in enumerate(members)
    ]
    model = random_model(tmp_path / "all", fine=members)
    together = _predict(model, toy, anatomy=toy.dseg)
    mean = np.mean([one.pvs_probability for one in single], axis=0)
    np.testing.assert_allclose(together.pvs_probability, mean, atol=1e-5)
    assert together.record["members"] == 2


def test_one_network_tells_nuclei_and_pvs(tmp_path):
    toy, model = toy_head(), toy_model(tmp_path / "model", joint=True)
    assert [[file.network.tells for file in member] for member in model.fine] == [["joint"]]
    found = _predict(model, toy)
    np.testing.assert_array_equal(found.anatomy, toy.dseg)
    np.testing.assert_array_equal(found.dseg, toy.bgpvs)
    given = _predict(model, toy, anatomy=toy.dseg)
    np.testing.assert_array_equal(given.dseg, toy.bgpvs)


def test_flips_average_with_the_mirror_image(toy, tmp_path):
    model = random_model(tmp_path / "model", fine=[[random_network(ANATOMY), heedless()]])
    mirror = np.flip(toy.dseg, 0)
    plain, flipped = (
        _predict(model, toy, anatomy=anatomy, t2w=t2w, t1w=t1w).pvs_probability
        for anatomy, t2w, t1w in (
            (toy.dseg, toy.t2w, toy.t1w),
            (mirror, np.flip(toy.t2w, 0), np.flip(toy.t1w, 0)),
        )
    )
    both = _predict(model, toy, anatomy=toy.dseg, flips=True).pvs_probability
    np.testing.assert_allclose(both, (plain + np.flip(flipped, 0)) / 2, atol=1e-4)


def test_the_closed_region_and_the_thalamus(model, toy):
    anatomy = toy.dseg.copy()
    anatomy[np.abs(np.arange(anatomy.shape[0]) - 25) < 2, 5:15, 15:25] = 10
    closed = _predict(model, toy, anatomy=anatomy, bg_region="closed")
    np.testing.assert_array_equal(
        closed.dseg > 0, bg_mask(np.isin(anatomy, (12, 51)), toy.affine, "closed")
    )
    with_thalamus = _predict(model, toy, anatomy=anatomy, include_thalamus=True)
    np.testing.assert_array_equal(with_thalamus.dseg > 0, np.isin(anatomy, (10, 12, 51)))


def test_the_processor_steps_in_for_a_full_gpu(model, toy, found, monkeypatch, caplog):
    whole, calls = sliding_window._apply, []

    def once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise torch.cuda.OutOfMemoryError("full")
        return whole(*arguments)

    monkeypatch.setattr(sliding_window, "_apply", once)
    again = _predict(model, toy)
    # What failed, five looks at the head, precise ones at the half turns (as sure in this toy),
    # nuclei, PVS twice, and these half a voxel off.
    assert len(calls) == 1 + 5 + 3 + 4
    assert "too little free memory" in caplog.text
    np.testing.assert_array_equal(again.dseg, found.dseg)


@pytest.mark.parametrize(
    ("winner", "words"),
    [
        ("brain", "finds no nuclei in the image; check .* --anatomy"),
        ("left nuclei", "finds nuclei on the left only; check .* --anatomy"),
    ],
)
def test_images_without_nuclei(toy, tmp_path, winner, words):
    config, weights = random_network(COARSE)
    weights["output_block.conv.conv.weight"].zero_()
    weights["output_block.conv.conv.bias"][COARSE_CLASSES.index(winner)] = 9
    model = random_model(tmp_path / "model", coarse=(config, weights))
    with pytest.raises(BadImageError, match=words):
        _predict(model, toy)


def test_an_image_without_basal_ganglia(toy, tmp_path):
    config, weights = random_network(ANATOMY)
    weights["output_block.conv.conv.weight"].zero_()
    weights["output_block.conv.conv.bias"][0] = 9
    known = toy_model(tmp_path / "model", fine=[[(config, weights), random_network(PVS)]])
    with pytest.raises(BadImageError, match="finds no basal ganglia"):
        _predict(known, toy)


def test_what_cannot_be_used(model, toy):
    with pytest.raises(BadImageError, match="neither"):
        _predict(model, toy, t2w=None, t1w=None)
    with pytest.raises(BadImageError, match="T1w has no usable signal"):
        _predict(model, toy, t1w=np.ones_like(toy.t1w))
    with pytest.raises(BadLabelsError, match="has shape"):
        _predict(model, toy, anatomy=toy.dseg[:-1])
    with pytest.raises(BadLabelsError, match="no basal ganglia"):
        _predict(model, toy, anatomy=np.where(toy.dseg == 213, 213, 0))
    broken = dataclasses.replace(model, folder=model.folder / "nowhere")
    with pytest.raises(ModelError, match="Cannot read the weights"):
        _predict(broken, toy)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(model, toy):
    with pytest.raises(UsageError, match="no GPU"):
        predict(model, t2w=toy.t2w, t1w=None, affine=toy.affine, device="cuda")


def test_islands_of_a_nucleus():
    dseg = np.zeros((20, 12, 6), np.int16)
    dseg[2:8] = 12
    dseg[8:14] = 13
    expected = dseg.copy()
    dseg[4, 5, 2] = 13  # in another nucleus: goes to it
    dseg[14, 3, 3] = 12  # touches another nucleus
    expected[14, 3, 3] = 13
    dseg[18, 6, 3] = 12  # touches nothing
    dseg[0] = expected[0] = 213
    np.testing.assert_array_equal(tidy_nuclei(dseg), expected)
    np.testing.assert_array_equal(tidy_nuclei(expected), expected)


@pytest.mark.parametrize("brightness", [0.4, 0.05, 3.0])
def test_the_brightness_of_all_pvs_is_that_of_those_which_tell_it(brightness):
    """Within what can be: no fluid is brighter than the ventricles'."""
    pvs = np.zeros((4, 4, 4), bool)
    pvs[1, 1] = True
    told = np.full(pvs.shape, np.log(0.9), np.float32)
    weight = np.full(pvs.shape, -4.0, np.float32)
    told[1, 1, 2], weight[1, 1, 2] = np.log(brightness), 50.0
    told[~pvs] = 7.0
    found = FoundPVS(np.full(pvs.shape, 0.5), told, weight)
    expected = np.clip(brightness, 0.15, 1)
    assert found.brightness(pvs) == pytest.approx(expected, rel=0.01)
    assert np.isnan(found.brightness(np.zeros_like(pvs)))
