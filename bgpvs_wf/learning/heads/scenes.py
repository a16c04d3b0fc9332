"""Heads of label maps, bent into those of infants of any size that lie anyhow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.learning.data.sampling import sampler_grid, smooth_noise, voxel_indices
from bgpvs_wf.learning.heads.maps import Head
from bgpvs_wf.learning.heads.painting import draw_signals

if TYPE_CHECKING:
    import torch

_FINER = 2
_BRAIN_ML = (330.0, 1350.0)
"""Of brains before term to those of toddlers (chosen; 519 to 1192 mL on average from birth to 24
months, over 207 brain masks of LifespanStrip)."""
_THIN = (-0.25, 1.2)
"""How much less there is around the brain of an infant than around an adult's, as a share."""
_CLASSES = 8


@dataclass(frozen=True)
class Scene:
    """A head as it lies in an image, on voxels that are finer than those that will be seen."""

    head: Head
    finer: int
    """Voxels to a side of one that will be seen."""
    numbers: torch.Tensor
    """What each voxel is painted as, shape (x, y, z)."""
    classes: torch.Tensor
    distance: torch.Tensor
    """From the brain, mm, negative inside."""
    up: torch.Tensor
    """How far voxels are above the middle, mm, along an axis that is roughly the head's."""

    def painted(self, seen: torch.Tensor, rng: np.random.Generator) -> list[torch.Tensor]:
        """Paint what is seen as T2w and T1w, of one noise."""
        import torch

        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        noise = torch.randn(seen.shape, generator=generator).reshape(-1)
        # Voxels that are painted as large as they are seen vary less.
        noise *= (self.finer / _FINER) ** 1.5
        flat = torch.where(seen, self.numbers, 0).reshape(-1)
        images = []
        for modality in (0, 1):
            signals, spread = torch.from_numpy(draw_signals(self.head.names, modality, rng))
            values = signals.index_select(0, flat) + spread.index_select(0, flat) * noise
            images.append(values.clamp_(min=0).reshape(seen.shape))
        return images


@dataclass
class Scenes:
    """Scenes of heads on cubic voxels.

    Parameters
    ----------
    heads : sequence of Head
    size : tuple of 3 int
        Of the image that is seen.
    voxel_mm : float
    finer : int
        Heads are painted on voxels that are finer by this than those seen.
    away_mm : pair of pairs of float
        How far the middle of an upright head's image lies behind its nuclei, and below, each from
        and to, in a brain as large as that of the label map.
    """

    heads: Sequence[Head]
    size: tuple[int, int, int]
    voxel_mm: float
    finer: int = _FINER
    away_mm: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (-25.0, 25.0))
    _tables: dict[int, torch.Tensor] = field(default_factory=dict, init=False)

    def draw(self, which: int, turn: np.ndarray, rng: np.random.Generator) -> Scene:
        """Draw a head that lies turned by a rotation, shape (3, 3)."""
        head = self.heads[which]
        index, distance, up = self._places(head, turn, rng)
        numbers, classes = self._numbers(which, index)
        return Scene(head, self.finer, numbers, classes, distance, up)

    def _places(
        self, head: Head, turn: np.ndarray, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return of each voxel painted: place in `head`, mm outside of its brain, and mm up."""
        import torch
        from torch.nn import functional

        size = (float(np.exp(rng.uniform(*np.log(_BRAIN_ML)))) / head.volume_ml) ** (1 / 3)
        sizes = size * np.exp(rng.normal(0, 0.05, 3))
        room = np.array(self.size) * self.voxel_mm
        # The middle of a brain is above its nuclei; that of a head may be far below.
        away = [0.0, *(rng.uniform(*pair) for pair in self.away_mm)]
        middle = turn @ away * size + rng.uniform(-0.06, 0.06, 3) * room
        offsets = (voxel_indices(self.size) - (_tensor(self.size) - 1) / 2) * self.voxel_mm
        upright = (offsets - _tensor(middle)) @ _tensor(turn)
        bend = smooth_noise(rng, 3, self.size).movedim(0, -1) * float(rng.uniform(0, 5))
        knots = torch.from_numpy(rng.standard_normal((1, 3, 9, 9, 9)).astype(np.float32))
        local = functional.interpolate(knots, self.size, mode="trilinear", align_corners=True)[0]
        mapped = upright / _tensor(sizes) + bend + local.movedim(0, -1) * float(rng.uniform(0, 2.5))
        known = functional.grid_sample(
            torch.from_numpy(head.distance)[None],
            sampler_grid(_voxels(mapped, head.distance_affine), head.distance.shape[1:]),
            "bilinear",
            "border",
            align_corners=False,
        )[0]
        thin = float(rng.uniform(*_THIN))
        mapped = mapped + (known[1:] * known[:1].clamp(min=0) * thin).movedim(0, -1)
        index = _voxels(mapped, head.affine).movedim(-1, 0)
        tilt = float(rng.normal(0, 0.35))
        up = upright[..., 2] + tilt * upright[..., 1]
        fields = _finer(torch.cat([index, known[:1] * size, up[None]]), self.finer)
        return fields[:3], fields[3], fields[4]

    def _numbers(self, which: int, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the numbers and classes of the nearest voxels; 0 beyond the array."""
        import torch

        head = self.heads[which]
        if which not in self._tables:
            both = head.numbers.astype(np.int16) * _CLASSES + head.classes
            self._tables[which] = torch.from_numpy(np.pad(both, 1).reshape(-1))
        # As floats: these are whole numbers up to 2 ** 24, for which a map has too few voxels.
        flat = torch.zeros(index.shape[1:])
        for places, count in zip(index, head.numbers.shape, strict=True):
            flat.mul_(count + 2).add_(places.round().clamp_(-1, count).add_(1))
        found = self._tables[which].index_select(0, flat.reshape(-1).int()).reshape(flat.shape)
        classes = found % _CLASSES
        return torch.div(found - classes, _CLASSES, rounding_mode="floor").int(), classes


def _finer(fields: torch.Tensor, times: int) -> torch.Tensor:
    """Return smooth fields on a grid that is finer, voxels within voxels."""
    from torch.nn import functional

    return functional.interpolate(fields[None], scale_factor=times, mode="trilinear")[0]


def _voxels(places: torch.Tensor, affine: np.ndarray) -> torch.Tensor:
    back = np.linalg.inv(affine)
    return places @ _tensor(back[:3, :3].T) + _tensor(back[:3, 3])


def _tensor(values: object) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.asarray(values, np.float32))
