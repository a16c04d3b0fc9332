"""A training case with tubes painted beside its own, to judge a network by.

See `bgpvs_wf.learning.data.painted_tubes`.
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from bgpvs_wf.learning.data.case import OWN_CHANNELS, TrainingCase
from bgpvs_wf.learning.data.classes import SURE
from bgpvs_wf.learning.data.painted_tubes import Painted, labelled, paint_tubes

_TUBES = 11
"""As many as an infant has on average (`bgpvs_wf.phantom.trees.draw_pvs`)."""


@dataclass(frozen=True, kw_only=True)
class PaintedCase(TrainingCase):
    """A case with more tubes on the scan's own grid; its other grids are as they were."""

    number: int = 0
    """Of those that are painted in: others for each."""

    def own(self) -> np.ndarray:
        """Return the array of the box on the scan's own grid, float32."""
        return self._drawn()[0]

    def tubes(self) -> tuple[np.ndarray, float]:
        """Return which voxels the painted tubes take, shape (x, y, z), and how bright they are.

        See `bgpvs_wf.learning.data.painted_tubes.Painted`.
        """
        painted = self._drawn()[1]
        return labelled(painted.share), painted.brightness

    def pvs_volume_mm3(self) -> float:
        """Return the volume that PVS fill, those that are painted in as well."""
        painted = float(self._drawn()[1].share.sum(dtype=float)) * float(np.prod(self.voxel_mm))
        return super().pvs_volume_mm3() + painted

    def _drawn(self) -> tuple[np.ndarray, Painted]:
        return _painted(TrainingCase(**_facts(self)), self.number)


def with_tubes(case: TrainingCase, number: int = 0) -> PaintedCase:
    """Return a case with tubes painted into it, always the same ones for a number."""
    return PaintedCase(**_facts(case), number=number)


def _facts(case: TrainingCase) -> dict[str, Any]:
    return {field.name: getattr(case, field.name) for field in dataclasses.fields(TrainingCase)}


@functools.lru_cache(maxsize=1)
def _painted(case: TrainingCase, number: int) -> tuple[np.ndarray, Painted]:
    rng = np.random.default_rng([zlib.crc32(case.digest.encode()), number])
    array = np.array(case.own(), np.float32)
    part = dict(zip(OWN_CHANNELS, array, strict=True))
    pvs = part["pvs"] > 0
    painted = paint_tubes(
        array[:2],
        part["classes"],
        pvs | (part["confidence"] < SURE),
        np.diag([*case.voxel_mm, 1.0]),
        case.signals(),
        rng,
        _TUBES,
    )
    array[:2] = painted.images
    array[OWN_CHANNELS.index("pvs")] = pvs | labelled(painted.share)
    return array, painted
