"""Everything that is known of one subject's basal ganglia, cut to a box and on one grid."""

from __future__ import annotations

from dataclasses import dataclass

from bgpvs_wf.arrays import Affine, Floats, Image, Labels, Mask
from bgpvs_wf.imaging.geometry import voxel_volume
from bgpvs_wf.quantification.occupancy import Occupancy


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Arrays of one shape (x, y, z) and what follows from them; see `measure`."""

    affine: Affine
    anatomy: Labels
    parcels: Labels
    """Nucleus, or rest of the closed BG, of every voxel; 0 outside."""
    examined: Mask
    """Where PVS were looked for."""
    instances: Labels
    """Number of the PVS; 0 where there is none, or one too small to count."""
    rim: Labels
    """The same, grown by one voxel inside the region."""
    near_pvs: Mask
    """Voxels of any PVS, small ones too, and their neighbours."""
    occupancy: Occupancy
    brightness: float
    """Of the fluid in PVS; see `bgpvs_wf.quantification.brightness.fluid_brightness`."""
    image: Image | None
    probability: Floats | None

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return voxel_volume(self.affine)
