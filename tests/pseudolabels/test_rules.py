from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bgpvs_wf.config import PseudolabelConfig
from bgpvs_wf.imaging.geometry import Grid
from bgpvs_wf.imaging.morphology import distance_mm
from bgpvs_wf.pseudolabels.candidates import Candidate, find_candidates
from bgpvs_wf.pseudolabels.region import Region
from bgpvs_wf.pseudolabels.rules import refusal

CONFIG = PseudolabelConfig()
TUBE = Candidate(
    index=1,
    peak=30.0,
    volume_mm3=6.0,
    length_mm=8.0,
    elongation=8.0,
    in_region=1.0,
    near_csf=0.0,
    on_rim=0.1,
    along_rim=0.9,
    contrast=0.5,
    isolation=0.95,
)


def test_a_tube_passes():
    assert refusal(TUBE, CONFIG) is None


@pytest.mark.parametrize(
    ("reason", "flaw"),
    [
        ("outside_nuclei", {"in_region": 0.4}),
        ("touches_csf", {"near_csf": 0.5}),
        ("too_short", {"length_mm": 1.5}),
        ("blob", {"elongation": 1.3}),
        ("sheet_or_edge", {"isolation": 0.1}),
        ("along_rim", {"on_rim": 1.0, "isolation": 0.6}),
        ("along_rim", {"on_rim": 1.0, "length_mm": 4.0}),
        ("no_fluid", {"contrast": 0.05}),
    ],
)
def test_each_flaw_has_its_reason(reason, flaw):
    assert refusal(replace(TUBE, **flaw), CONFIG) == reason


def test_a_tube_in_the_rim_passes_if_it_is_clearly_one_or_crosses_it():
    assert refusal(replace(TUBE, on_rim=1.0), CONFIG) is None
    assert refusal(replace(TUBE, on_rim=1.0, along_rim=0.2, isolation=0.6), CONFIG) is None


def _region(shape, affine, csf=None):
    mask = np.zeros(shape, bool)
    mask[3:-3, 3:-3, 3:-3] = True
    depth = distance_mm(mask, affine) - distance_mm(~mask, affine)
    return Region(
        grid=Grid(shape, affine),
        labels=np.full(shape, 12),
        mask=mask,
        search=mask,
        csf=np.zeros(shape, bool) if csf is None else csf,
        depth=depth.astype(np.float32),
    )


def _measure(excess, csf=None):
    """Measure the one candidate that an image of excess makes."""
    affine = np.diag([0.5, 0.5, 0.5, 1])
    region = _region(excess.shape, affine, csf)
    labels, found = find_candidates(excess, excess, 100.0, region, 30.0, 1.0)
    assert len(found) == 1
    assert (labels > 0).sum() * 0.125 == pytest.approx(found[0].volume_mm3)
    return found[0]


def test_measures_of_a_tube_an_edge_and_a_ball():
    x, y, z = np.indices((40, 40, 40))
    inside = (np.abs(z - 20) <= 8).astype(float)
    tube = _measure(100 * np.exp(-((x - 20) ** 2 + (y - 20) ** 2) / 3) * inside)
    assert tube.length_mm == pytest.approx(8.5, abs=0.6)
    assert tube.elongation > 4
    assert tube.isolation > 0.8
    assert tube.peak == pytest.approx(100)
    assert tube.on_rim == 0
    assert tube.near_csf == 0
    assert 0.5 < tube.contrast <= 1

    ball = _measure(100 * np.exp(-((x - 20) ** 2 + (y - 20) ** 2 + (z - 20) ** 2) / 8))
    assert ball.elongation < 1.6

    edge = _measure(100 * ((x < 6) & (np.abs(y - 20) < 3)) * inside)
    assert edge.isolation < 0.4
    assert edge.on_rim > 0.6
    assert edge.along_rim > 0.8


def test_candidate_beside_fluid_is_near_csf():
    x, y, z = np.indices((40, 40, 40))
    csf = x > 22
    excess = 100 * np.exp(-((x - 21) ** 2 + (y - 20) ** 2) / 2) * (np.abs(z - 20) <= 8)
    assert _measure(excess, csf).near_csf > 0.6
