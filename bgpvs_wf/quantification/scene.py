"""Everything that is known of one subject's basal ganglia, cut to a box and on one grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgpvs_wf.imaging.geometry import voxel_volume
from bgpvs_wf.quantification.occupancy import Occupancy


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Arrays of one shape (x, y, z) and what follows from them; see `measure`."""

    affine: np.ndarray
    anatomy: np.ndarray
    parcels: np.ndarray
    """Nucleus, or rest of the closed BG, of every voxel; 0 outside."""
    examined: np.ndarray
    """Where PVS were looked for."""
    instances: np.ndarray
    """Number of the PVS; 0 where there is none, or one too small to count."""
    rim: np.ndarray
    """The same, grown by one voxel inside the region."""
    near_pvs: np.ndarray
    """Voxels of any PVS, small ones too, and their neighbours."""
    occupancy: Occupancy
    image: np.ndarray | None
    probability: np.ndarray | None

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return voxel_volume(self.affine)
