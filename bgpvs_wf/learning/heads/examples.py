"""Whole heads as a network sees them in training: any size, pose, field of view and contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.anatomy.starts import turn_degrees
from bgpvs_wf.learning.data.sampling import smooth_noise
from bgpvs_wf.learning.heads.acquisition import field_of_view, scanned, standardise_head
from bgpvs_wf.learning.heads.maps import BELOW, LEFT, RIGHT, Head
from bgpvs_wf.learning.heads.scenes import Scene, Scenes

if TYPE_CHECKING:
    import torch

_EXTRACTED, _LOOSE, _CEREBRUM, _BLANKED = 0.35, 0.15, 0.6, 0.15
_CLOSE_MM, _ROUGH_MM = (-1.0, 4.0, 1.5), (-2.0, 7.0, 3.0)
"""How far from the brain extractions end, from and to, and how unevenly: those of programs that are
made for it, and rough ones (chosen)."""
_FOUND_DEGREES = 85.0
"""Nuclei are to be found in heads that lie turned by less."""
_AROUND_MM = ((8.0, 16.0), (-8.0, 10.0))
"""How far the middle of a brain lies behind that of its nuclei, and below (in five adults 11 to 14,
and -3 to 5; to these comes what a rough mask adds or lacks)."""


@dataclass
class _Painted:
    """What is painted on cubic voxels; item `i` is made from `seed` and `i`."""

    heads: Sequence[Head]
    seed: int
    size: tuple[int, int, int]
    voxel_mm: float

    def __post_init__(self) -> None:
        self._scenes = self._made()

    def _made(self) -> Scenes:
        return Scenes(self.heads, self.size, self.voxel_mm)

    def _draw(self, number: int) -> tuple[np.random.Generator, int]:
        """Return the generator of an example, and which head it shows."""
        rng = np.random.default_rng([self.seed, number])
        return rng, int(rng.integers(len(self.heads)))


@dataclass
class HeadExamples(_Painted):
    """Heads on cubic voxels; item `i` is made from `seed` and `i`.

    Parameters
    ----------
    heads : sequence of Head
    seed : int
    size : tuple of 3 int
    voxel_mm : float
    turned : tuple of 2 float
        Share of heads that lie anyhow, and of those turned by up to 65 degrees about each axis; the
        others are turned by some 12.
    """

    turned: tuple[float, float] = (0.3, 0.35)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return `image`, and `shares`: of each voxel, what is background, brain, and nuclei."""
        import torch

        rng, which = self._draw(number)
        turn = _draw_turn(self.turned, rng)
        scene = self._scenes.draw(which, turn, rng)
        seen, brain = _kept(scene, rng, _EXTRACTED, _CLOSE_MM)
        seen &= field_of_view(brain, rng)
        # Nothing is to be found in heads that lie otherwise, so that sureness tells them.
        told = turn_degrees(turn) < _FOUND_DEGREES
        sides = [brain & (scene.classes == side) & told for side in (LEFT, RIGHT)]
        pooled = _pooled(scene.painted(seen, rng), [brain, *sides], scene.finer)
        whole, left, right = pooled[2:]
        return {
            "image": scanned(pooled[:2], rng, standardise_head),
            "shares": torch.stack([1 - whole, whole - left - right, left, right]),
        }


@dataclass
class MaskExamples(_Painted):
    """Heads that lie about straight, around their brain.

    Item `i` is made from `seed` and `i`.

    Parameters
    ----------
    heads : sequence of Head
    seed : int
    size : tuple of 3 int
    voxel_mm : float
    """

    def _made(self) -> Scenes:
        return Scenes(self.heads, self.size, self.voxel_mm, finer=1, away_mm=_AROUND_MM)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return `image`, of which one is missing, and `shares` of background and brain."""
        import torch

        rng, which = self._draw(number)
        scene = self._scenes.draw(which, _draw_turn((0.0, 0.0), rng), rng)
        seen, brain = _kept(scene, rng, _LOOSE, _ROUGH_MM)
        seen &= field_of_view(brain, rng)
        whole = (brain & seen).float()
        images = torch.stack([_blurred(one, rng) for one in scene.painted(seen, rng)])
        return {
            "image": scanned(images, rng, standardise_head, both=0.0, noise=0.04),
            "shares": torch.stack([1 - whole, whole]),
        }


def _blurred(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return an image whose voxels share what they show, as those that hold two tissues do."""
    from torch.nn import functional

    share = float(rng.uniform(0.2, 0.8))
    blurred = functional.avg_pool3d(image[None, None], 3, 1, 1)[0, 0]
    return (1 - share) * image + share * blurred


def _draw_turn(turned: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Draw how a head lies, a rotation of shape (3, 3)."""
    from scipy.spatial.transform import Rotation

    draw = rng.random()
    if draw < turned[0]:
        return Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    angles = rng.uniform(-65, 65, 3) if draw < sum(turned) else rng.normal(0, 12, 3)
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()


def _kept(
    scene: Scene, rng: np.random.Generator, extracted: float, edges: tuple[float, float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what of a head is there, and what of this is brain."""
    import torch

    draw = rng.random()
    if draw < extracted:
        return _extracted(scene, rng, edges)
    brain = scene.classes > 0
    seen = torch.ones_like(brain)
    if draw < extracted + _BLANKED:
        # Neck and face are blanked, below a plane through or beneath the brain's base.
        up, above = scene.up, brain & (scene.classes != BELOW)
        lowest = up[above].min() if bool(above.any()) else up.min()
        seen = up > lowest + float(rng.uniform(-40, 12))
    return seen, brain & seen


def _extracted(
    scene: Scene, rng: np.random.Generator, edges: tuple[float, float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what is left of a head whose brain was taken out, and what of this is brain."""
    import torch

    brain = scene.classes > 0
    seen = torch.ones_like(brain)
    if rng.random() < _CEREBRUM:
        brain = brain & (scene.classes != BELOW)
        # What is left of the stem below differs.
        seen &= scene.classes != BELOW
    low, high, uneven = edges
    noise = smooth_noise(rng, 1, [n // scene.finer for n in brain.shape])[None]
    noise = torch.nn.functional.interpolate(noise, scale_factor=scene.finer, mode="trilinear")[0, 0]
    exact = rng.random() < 0.5
    edge = float(rng.uniform(low, high)) + float(rng.uniform(0, uneven)) * noise
    seen &= brain if exact else scene.distance < edge
    return seen, brain & seen


def _pooled(
    images: Sequence[torch.Tensor], masks: Sequence[torch.Tensor], finer: int
) -> torch.Tensor:
    """Return images and masks as they are seen, each voxel the mean of finer ones."""
    import torch

    both = torch.stack([*images, *(mask.float() for mask in masks)])
    return torch.nn.functional.avg_pool3d(both[None], finer)[0]
