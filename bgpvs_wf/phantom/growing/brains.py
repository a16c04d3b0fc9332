"""One infant's brain at several ages, and how its tissue moves from one age to another."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from bgpvs_wf.imaging.tubes import Tube
from bgpvs_wf.phantom.abstract_anatomy import DistanceFunction
from bgpvs_wf.phantom.brain import Brain, draw_brain
from bgpvs_wf.phantom.confounders import Cleft, Confounders
from bgpvs_wf.phantom.protocol import ProtocolConfig
from bgpvs_wf.phantom.trees import DIAMETER_MM
from bgpvs_wf.phantom.waves import WaveField

TURN_DEG, SHIFT_MM = 5.0, 4.0
"""How differently a head lies in the scanner from session to session, SD an axis (chosen)."""
DRIFT = 0.5
"""How far the infant's own shape drifts from session to session: by this share of what infants
differ by, 0.6 mm at 12 months (chosen, for growth is no mere scaling)."""
_BG = ("caudate", "accumbens", "putamen", "pallidum")


def grown_brain(
    age_weeks: float,
    shape_seed: np.random.SeedSequence,
    rng: np.random.Generator,
    protocol: ProtocolConfig,
    variation: float = 1.0,
) -> Brain:
    """Return an infant's brain at an age.

    Parameters
    ----------
    age_weeks : float
        Post-menstrual.
    shape_seed : SeedSequence
        The same one gives the same infant at any age.
    rng : Generator
        For what differs from session to session: how the head lies, and a drift of its shape.
    protocol : ProtocolConfig
    variation : float
        See `bgpvs_wf.phantom.brain.draw_brain`.
    """
    from scipy.spatial.transform import Rotation

    brain = draw_brain(
        age_weeks,
        np.random.default_rng(shape_seed),
        variation=variation,
        hindbrain=protocol.hindbrain,
        skull=protocol.skull,
    )
    turn = Rotation.from_euler("xyz", rng.normal(0, TURN_DEG, 3), degrees=True).as_matrix()
    x, y, z = (_drifted(field, rng) for field in brain.warp)
    return dataclasses.replace(
        brain,
        linear=brain.linear @ turn,
        shift=brain.shift + rng.normal(0, SHIFT_MM, 3),
        warp=(x, y, z),
    )


def carry(points: np.ndarray, start: Brain, end: Brain) -> np.ndarray:
    """Return where tissue at some points, (n, 3), mm, of one age is at another."""
    found = start.to_template((points[:, 0], points[:, 1], points[:, 2]))
    return end.from_template(np.stack(found, axis=1))


def carry_tube(tube: Tube, start: Brain, end: Brain, width: float = 1.0) -> Tube:
    """Return a tube at another age: its line with the tissue, its width as it is told."""
    radius = np.clip(tube.radius * width, DIAMETER_MM[0] / 2, DIAMETER_MM[1] / 2)
    return dataclasses.replace(tube, points=carry(tube.points, start, end), radius=radius)


def carry_confounders(found: Confounders, start: Brain, end: Brain, rim: float) -> Confounders:
    """Return what fools filters at another age: at the same tissue, the rim as it is told."""
    return dataclasses.replace(
        found,
        vessels=tuple(carry_tube(tube, start, end) for tube in found.vessels),
        choroid=tuple(_moved(tube, start, end) for tube in found.choroid),
        clefts=tuple(_carry_cleft(cleft, start, end) for cleft in found.clefts),
        rim=rim,
    )


def inside_at_all(brains: Sequence[Brain], home: Brain) -> DistanceFunction:
    """Return the signed distance, mm of `home`, to what is basal ganglia at every age."""

    def inside(points: np.ndarray) -> np.ndarray:
        # Tissue has one place in the template at all ages.
        where = home.to_template((points[:, 0], points[:, 1], points[:, 2]))
        found = []
        for brain in brains:
            nuclei = brain.nuclei(where)
            found.append(np.minimum.reduce([nuclei[name] for name in _BG]))
        return np.asarray(np.maximum.reduce(found) * home.growth.scale)

    return inside


def _drifted(field: WaveField, rng: np.random.Generator) -> WaveField:
    return WaveField(field.vectors, field.phases + rng.normal(0, DRIFT, len(field.phases)))


def _moved(tube: Tube, start: Brain, end: Brain) -> Tube:
    return dataclasses.replace(tube, points=carry(tube.points, start, end))


def _carry_cleft(cleft: Cleft, start: Brain, end: Brain) -> Cleft:
    """Return a cleft at the same tissue, turned as the tissue is, of its own size."""
    ends = np.concatenate([cleft.centre[None], cleft.centre + cleft.axes])
    moved = carry(ends, start, end)
    u, _, v = np.linalg.svd(moved[1:] - moved[0])
    return dataclasses.replace(cleft, centre=moved[0], axes=u @ v)
