"""Whole heads as a network sees them in training: any size, pose, field of view and contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.anatomy.starts import turn_degrees
from bgpvs_wf.learning.heads.maps import BELOW, LEFT, RIGHT, Head
from bgpvs_wf.learning.heads.painting import draw_signals
from bgpvs_wf.learning.sampling import sampler_grid, smooth_noise, voxel_indices

if TYPE_CHECKING:
    import torch

_FINER = 2
"""Heads are painted this much finer than they are seen: a voxel is the mean of eight."""
_BRAIN_ML = (330.0, 1350.0)
"""Of brains before term to those of toddlers (chosen; 519 to 1192 mL on average from birth to 24
months, over 207 brain masks of LifespanStrip)."""
_THIN = (-0.25, 1.2)
"""How much less there is around the brain of an infant than around an adult's, as a share."""
_CUT_FACE, _EXTRACTED, _CEREBRUM, _TIGHT, _BLANKED = 0.25, 0.35, 0.6, 0.2, 0.15
_CLASSES = 8
_FOUND_DEGREES = 85.0
"""Nuclei are to be found in heads that lie turned by less."""


@dataclass
class HeadExamples:
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

    heads: Sequence[Head]
    seed: int
    size: tuple[int, int, int]
    voxel_mm: float
    turned: tuple[float, float] = (0.3, 0.35)
    _tables: dict[int, torch.Tensor] = field(default_factory=dict, init=False)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return `image`, and `shares`: of each voxel, what is background, brain, and nuclei."""
        import torch
        from torch.nn import functional

        rng = np.random.default_rng([self.seed, number])
        which = int(rng.integers(len(self.heads)))
        head = self.heads[which]
        turn = _draw_turn(self.turned, rng)
        index, distance, up = self._places(head, turn, rng)
        numbers, classes = self._numbers(which, index)
        seen, brain = _kept(classes, distance, up, rng)
        seen &= _field_of_view(brain, rng)
        numbers = torch.where(seen, numbers, 0)
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        noise = torch.randn(numbers.shape, generator=generator)
        images = [_painted(head, numbers, modality, noise, rng) for modality in (0, 1)]
        # Nothing is to be found in heads that lie otherwise, so that sureness tells them.
        told = turn_degrees(turn) < _FOUND_DEGREES
        masks = [brain, *(brain & (classes == side) & told for side in (LEFT, RIGHT))]
        both = torch.stack([*images, *(mask.float() for mask in masks)])
        pooled = functional.avg_pool3d(both[None], _FINER)[0]
        whole, left, right = pooled[2:]
        return {
            "image": _scanned(pooled[:2], rng),
            "shares": torch.stack([1 - whole, whole - left - right, left, right]),
        }

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
        middle = turn @ [0, 0, rng.uniform(-25, 25)] * size + rng.uniform(-0.06, 0.06, 3) * room
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
        fields = _finer(torch.cat([index, known[:1] * size, up[None]]))
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


def _draw_turn(turned: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Draw how a head lies, a rotation of shape (3, 3)."""
    from scipy.spatial.transform import Rotation

    draw = rng.random()
    if draw < turned[0]:
        return Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    angles = rng.uniform(-65, 65, 3) if draw < sum(turned) else rng.normal(0, 12, 3)
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()


def _finer(fields: torch.Tensor) -> torch.Tensor:
    """Return smooth fields on a grid that is finer, voxels within voxels."""
    from torch.nn import functional

    finer = functional.interpolate(fields[None], scale_factor=_FINER, mode="trilinear")[0]
    return finer


def _voxels(places: torch.Tensor, affine: np.ndarray) -> torch.Tensor:
    back = np.linalg.inv(affine)
    return places @ _tensor(back[:3, :3].T) + _tensor(back[:3, 3])


def _kept(
    classes: torch.Tensor,
    distance: torch.Tensor,
    up: torch.Tensor,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what of a head is there, and what of this is brain."""
    import torch

    seen = torch.ones_like(classes, dtype=torch.bool)
    brain = classes > 0
    draw = rng.random()
    if draw < _EXTRACTED:
        if rng.random() < _CEREBRUM:
            brain = brain & (classes != BELOW)
            # What is left of the stem below differs.
            seen &= classes != BELOW
        noise = smooth_noise(rng, 1, [n // 2 for n in classes.shape])
        noise = torch.nn.functional.interpolate(noise[None], scale_factor=2, mode="trilinear")[0, 0]
        exact = rng.random() < 0.5
        edge = float(rng.uniform(-1, 4)) + float(rng.uniform(0, 1.5)) * noise
        seen &= brain if exact else distance < edge
        brain = brain & seen
    elif draw < _EXTRACTED + _BLANKED:
        # Neck and face are blanked, below a plane through or beneath the brain's base.
        lowest = up[brain & (classes != BELOW)].min() if bool(brain.any()) else up.min()
        seen &= up > lowest + float(rng.uniform(-40, 12))
        brain = brain & seen
    return seen, brain


def _field_of_view(brain: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return a box along the axes of the scanner that ends near the brain on some sides."""
    import torch

    seen = torch.ones_like(brain)
    places = brain.nonzero()
    if not len(places):
        return seen
    tight = rng.random() < _TIGHT
    low, high = places.amin(0).tolist(), places.amax(0).tolist()
    for axis in range(3):
        extent = high[axis] - low[axis]
        for end in (0, 1):
            draw, reach = rng.random(), float(rng.uniform(-0.08, 0.12 if tight else 0.5)) * extent
            if draw > (0.9 if tight else _CUT_FACE):
                continue
            count = seen.shape[axis]
            if end:
                start = min(max(int(high[axis] + reach), 1), count)
                seen.narrow(axis, start, count - start).fill_(False)
            else:
                seen.narrow(axis, 0, min(max(int(low[axis] - reach), 0), count)).fill_(False)
    return seen


def _painted(
    head: Head, numbers: torch.Tensor, modality: int, noise: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    import torch

    signals, spread = torch.from_numpy(draw_signals(head.names, modality, rng))
    flat = numbers.reshape(-1)
    values = signals.index_select(0, flat) + spread.index_select(0, flat) * noise.reshape(-1)
    return values.clamp_(min=0).reshape(numbers.shape)


def _scanned(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return images as scanners give them, standardised in the head; one may be missing."""
    import torch

    draw = rng.random()
    missing = 1 if draw < 0.3 else 0 if draw < 0.6 else -1
    out = torch.zeros_like(image)
    for channel, one in enumerate(image):
        if channel == missing:
            continue
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        there = one > 0
        if rng.random() < 0.25:
            one = _thick(one, int(rng.integers(3)), rng)
        one = one * torch.exp(float(rng.uniform(0, 0.5)) * smooth_noise(rng, 1, one.shape)[0])
        one = one.clamp(min=0) ** float(np.exp(rng.normal(0, 0.25)))
        level = float(one[there].mean()) if bool(there.any()) else 1.0
        sigma = float(rng.uniform(0, 0.1)) * level
        noise = sigma * torch.randn(one.shape, generator=generator)
        blank = rng.random() < 0.5
        one = torch.where(there, one + noise, 0 if blank else noise.abs()).clamp(min=0)
        out[channel] = torch.from_numpy(standardise_head(one.numpy()))
    return out


def standardise_head(image: np.ndarray) -> np.ndarray:
    """Give an image of a head the mean 0 and the deviation 1 inside; clipped, float32.

    What is air keeps a value of its own, since it lies below.
    """
    image = np.asarray(image, np.float32)
    top = np.percentile(image, 99.0)
    inside = image[image > 0.1 * top]
    if not inside.size:
        return np.zeros_like(image)
    low, high = np.percentile(inside, (1, 99))
    kept = inside[(inside >= low) & (inside <= high)]
    return np.clip((image - kept.mean()) / max(float(kept.std()), 1e-6), -5, 5)


def _thick(image: torch.Tensor, axis: int, rng: np.random.Generator) -> torch.Tensor:
    """Blur along an axis, as thick slices do."""
    share = float(rng.uniform(0.1, 0.33))
    return (1 - 2 * share) * image + share * (image.roll(1, axis) + image.roll(-1, axis))


def _tensor(values: object) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.asarray(values, np.float32))
