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


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("filters", [(4, 4), (4,) * 5])
def test_what_is_told_is_what_the_whole_box_would_tell(filters, flips):
    images = np.random.default_rng(0).normal(0, 1, (2, *SHAPE)).astype(np.float32)
    images[:, 30:37, 8:20, 8:20] += 9  # fluid
    bg = np.zeros(SHAPE, bool)
    bg[12:20, 2:14, 10:25] = True
    torch.manual_seed(0)
    config = NetworkConfig(tells=PVS, filters=filters)
    network = build_network(config).eval()
    grid = Grid(SHAPE, AFFINE)
    boxed = BoxImages(images, grid, images, grid)
    found = apply_pvs(
        [Member((NetworkConfig(tells=ANATOMY), None), (config, network))], boxed, bg, flips=flips
    )
    seen = pvs_input(images, bg, voxel_sizes(AFFINE), signals_of_fluid(images, bg, AFFINE))
    whole = FoundPVS(*apply_network(network, config, seen, flips=flips))
    for part, expected in zip(found, whole, strict=True):
        np.testing.assert_allclose(part[bg], expected[bg], atol=1e-5)
    assert not found.probability[30:].any()
