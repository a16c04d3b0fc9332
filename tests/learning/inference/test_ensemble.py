"""Networks for perivascular spaces look only where these may be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bgpvs_wf.imaging.geometry import Grid, voxel_sizes
from bgpvs_wf.learning.data.pvs_input import pvs_input
from bgpvs_wf.learning.data.scan import BoxImages
from bgpvs_wf.learning.inference.ensemble import FoundPVS, Member, apply_pvs
from bgpvs_wf.learning.nets.architectures import ANATOMY, PVS, NetworkConfig, build_network
from bgpvs_wf.learning.nets.sliding_window import apply_network
from bgpvs_wf.phantom.scan_facts import signals_of_fluid

SHAPE, AFFINE = (40, 36, 34), np.diag([0.8, 0.8, 0.8, 1.0])


def scene(filters):
    """Return a network, its member, what it sees, and where it looks."""
    images = np.random.default_rng(0).normal(0, 1, (2, *SHAPE)).astype(np.float32)
    images[:, 30:37, 8:20, 8:20] += 9  # fluid
    bg = np.zeros(SHAPE, bool)
    bg[12:20, 2:14, 10:25] = True
    torch.manual_seed(0)
    config = NetworkConfig(tells=PVS, filters=filters)
    network = build_network(config).eval()
    grid = Grid(SHAPE, AFFINE)
    boxed = BoxImages(images, grid, images, grid)
    member = Member((NetworkConfig(tells=ANATOMY), None), (config, network))

    def whole(told: float, flips: bool = False) -> FoundPVS:
        fluid = signals_of_fluid(images, bg, AFFINE)
        seen = pvs_input(images, bg, voxel_sizes(AFFINE), fluid, told)
        return FoundPVS(*apply_network(network, config, seen, flips=flips))

    return [member], boxed, bg, whole


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("filters", [(4, 4), (4,) * 5])
def test_what_is_told_is_what_the_whole_box_would_tell(filters, flips):
    members, boxed, bg, whole = scene(filters)
    found = apply_pvs(members, boxed, bg, brightness=0.4, flips=flips)
    assert found.told == 0.4
    for part, expected in zip(found[:3], whole(0.4, flips)[:3], strict=True):
        np.testing.assert_allclose(part[bg], expected[bg], atol=1e-5)
    assert not found.probability[30:].any()


def test_how_bright_fluid_is_is_told_first_and_then_where_pvs_are():
    members, boxed, bg, whole = scene((4, 4))
    first = whole(0.0)
    told = first.brightness(bg & (first.probability >= 0.3))
    assert 0.15 < told < 1
    found = apply_pvs(members, boxed, bg)
    assert found.told == pytest.approx(told)
    expected = (whole(told).probability, first.log_brightness, first.log_weight)
    for part, one in zip(found[:3], expected, strict=True):
        np.testing.assert_allclose(part[bg], one[bg], atol=1e-5)


def test_where_nothing_is_found_at_first_nothing_is_told():
    members, boxed, bg, whole = scene((4, 4))
    with torch.no_grad():
        members[0].pvs[1].output.bias[0] -= 20
    found = apply_pvs(members, boxed, bg)
    assert found.told == 0
    np.testing.assert_allclose(found.probability[bg], whole(0.0).probability[bg], atol=1e-5)
