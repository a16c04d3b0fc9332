"""What the coarse network tells the fine one: where the nuclei are, roughly.

A box shows a border well, but not always of what; the answer for the whole head at 2 mm says that
(after the cascade of nnU-Net, Isensee et al., Nat Methods 2021,
doi 10.1038/s41592-020-01008-z). In training the answer is imitated from the labels, with mistakes
of all kinds, so that the two networks are trained apart and the fine one does not believe blindly.
What is told are the convex hulls of the nuclei (see `coarse_classes`): told where the nuclei
themselves are, the fine network would learn the capsule from that, not from the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.imaging.morphology import hull
from bgpvs_wf.learning.data.classes import VENTRICLE_CLASS, is_nucleus
from bgpvs_wf.learning.data.sampling import sampler_grid, smooth_noise, voxel_indices
from bgpvs_wf.learning.data.scan import COARSE_MM, FINE_MM

if TYPE_CHECKING:
    import torch

_STEP = round(COARSE_MM / FINE_MM)
_PERIOD = 4.0
"""Of the waves, in sizes of the frame: about as long as the nuclei."""
# How wrong an imitated answer is (chosen): displacements in voxels of 2 mm, shares, factors.
_SHIFT, _BENT = 0.4, 0.7
_ABSENT, _PATCHY = 0.08, 0.25
_SHARPNESS = (-0.4, 1.4)
_FRAME_SHIFT, _FRAME_SIZE = 0.12, 0.1
_INSIDE = 0.5
"""Share of a voxel of 2 mm from which on it counts as nucleus."""


@dataclass(frozen=True)
class Frame:
    """The place and size of the nuclei of both sides together."""

    middle: np.ndarray
    """Voxels, shape (3,); axes are right, anterior, superior."""
    size: np.ndarray
    """Standard deviation along each axis, in voxels, shape (3,)."""

    def waves(self, places: torch.Tensor) -> list[torch.Tensor]:
        """Return how far places are from the middle, as sine and cosine of each axis.

        A network's normalisation takes a level away but keeps a wave's phase.

        Parameters
        ----------
        places : Tensor, shape (..., 3)
            Voxels. Both sides are alike.
        """
        along = [(places[..., axis] - self.middle[axis]) / self.size[axis] for axis in range(3)]
        angles = [2 * math.pi / _PERIOD * part for part in (along[0].abs(), along[1], along[2])]
        return [wave for angle in angles for wave in (angle.sin(), angle.cos())]


def frame_of(nuclei: np.ndarray) -> Frame:
    """Return the frame of a mask of nuclei, shape (x, y, z); of the whole array if it is empty."""
    places = np.argwhere(nuclei if nuclei.any() else np.ones_like(nuclei))
    return Frame(places.mean(axis=0), np.maximum(places.std(axis=0), 1.0))


@dataclass(frozen=True)
class Surroundings:
    """What a coarse network without fault would tell of a box."""

    shares: torch.Tensor
    """Of the hulls of the nuclei, and of ventricles, in voxels of 2 mm, shape (2, x, y, z)."""
    frame: Frame
    """Of the hulls, in voxels of 1 mm."""


def surroundings(nuclei: np.ndarray, ventricle: np.ndarray) -> Surroundings:
    """Return what there is to tell of known anatomy.

    Parameters
    ----------
    nuclei, ventricle : ndarray of bool, shape (x, y, z)
        On a grid of 1 mm whose first axis goes from left to right.
    """
    import torch

    # Hulls of voxels of 2 mm would be too large by a twentieth.
    whole = nuclei.copy()
    middle = round(frame_of(nuclei).middle[0])
    for side in (slice(middle), slice(middle, None)):
        whole[side] |= hull(nuclei[side]) & ~ventricle[side]
    shares = _coarse_shares(np.stack([whole, ventricle]))
    frame = frame_of(shares[0] >= _INSIDE)
    fine = Frame(frame.middle * _STEP + (_STEP - 1) / 2, frame.size * _STEP)
    return Surroundings(torch.from_numpy(shares), fine)


def case_surroundings(classes: np.ndarray) -> Surroundings:
    """Return those of the classes (see `FINE_CLASSES`) of a training case."""
    return surroundings(is_nucleus(classes), classes == VENTRICLE_CLASS)


def whole_context(shares: np.ndarray, places: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the context of shares of nuclei and ventricles, and where their voxels are.

    Parameters
    ----------
    shares : ndarray, shape (2, x, y, z)
    places : ndarray, shape (x, y, z, 3)
    frame : Frame
        In the same voxels as the places.

    Returns
    -------
    ndarray of float32, shape (len(CONTEXT), x, y, z)
    """
    waves = [wave.numpy() for wave in frame.waves(_tensor(places))]
    return np.stack([*shares, *waves]).astype(np.float32)


def case_context(classes: np.ndarray) -> np.ndarray:
    """Return the context of the classes (see `FINE_CLASSES`) of a training case.

    Returns
    -------
    ndarray of float32, shape (len(CONTEXT), x, y, z)
    """
    told = case_surroundings(classes)
    places = voxel_indices(classes.shape)
    return whole_context(_sampled(told.shares, places).numpy(), np.asarray(places), told.frame)


def rough_context(
    told: Surroundings, places: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """Return a context as a coarse network might give it, with random mistakes.

    Nuclei and ventricles displaced, bent, blurred or overconfident; parts or all of either missing;
    the frame displaced and of another size.

    Parameters
    ----------
    told : Surroundings
        What would be right.
    places : Tensor, shape (x, y, z, 3)
        Where the voxels of a patch are in the box, in voxels of 1 mm.
    rng : Generator

    Returns
    -------
    Tensor of float32, shape (len(CONTEXT), x, y, z)
    """
    import torch

    sharpness = float(np.exp(rng.uniform(*_SHARPNESS)))
    shares = told.shares**sharpness
    shares = shares / (shares + (1 - told.shares) ** sharpness)
    shares = shares * _tensor(rng.random(2) >= _ABSENT)[:, None, None, None]
    bent = _BENT * smooth_noise(rng, 3, places.shape[:3]).movedim(0, -1)
    bent += _tensor(rng.normal(0, _SHIFT, 3))
    shares = _sampled(shares, places, bent)
    if rng.random() < _PATCHY:
        shares = shares * (smooth_noise(rng, 1, shares.shape[1:])[0] + 1.2).clamp(0, 1)
    frame = told.frame
    wrong = Frame(
        frame.middle + frame.size * rng.normal(0, _FRAME_SHIFT, 3),
        frame.size * np.exp(rng.normal(0, _FRAME_SIZE, 3)),
    )
    return torch.stack([*shares, *wrong.waves(places)]).float()


def _coarse_shares(masks: np.ndarray) -> np.ndarray:
    """Return the shares of masks in voxels of 2 mm, the last ones of each axis continued."""
    padded = np.pad(masks, [(0, 0), *((0, -n % _STEP) for n in masks.shape[1:])], mode="edge")
    x, y, z = (n // _STEP for n in padded.shape[1:])
    blocks = padded.reshape(len(masks), x, _STEP, y, _STEP, z, _STEP)
    return np.asarray(blocks.mean((2, 4, 6), dtype=np.float32))


def _sampled(
    shares: torch.Tensor, places: torch.Tensor, bent: torch.Tensor | float = 0
) -> torch.Tensor:
    """Return shares in voxels of 2 mm at places in voxels of 1 mm, moved in those of 2 mm."""
    from torch.nn import functional

    grid = sampler_grid((places + 0.5) / _STEP - 0.5 + bent, shares.shape[1:])
    return functional.grid_sample(shares[None], grid, "bilinear", "border", align_corners=False)[0]


def _tensor(values: np.ndarray) -> torch.Tensor:
    import torch

    return torch.from_numpy(values.astype(np.float32))
