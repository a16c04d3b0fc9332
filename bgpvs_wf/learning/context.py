"""What the coarse network tells the fine one: where the nuclei are, roughly.

A patch of 32 mm shows a border well, but not always of what; the answer for the whole head at 2 mm
says that (after the cascade of nnU-Net, Isensee et al., Nat Methods 2021,
doi 10.1038/s41592-020-01008-z). In training the answer is imitated from the labels, with mistakes
of all kinds, so that the two networks are trained apart and the fine one does not believe blindly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.learning.case import FINE_CHANNELS
from bgpvs_wf.learning.classes import VENTRICLE_CLASS, is_nucleus
from bgpvs_wf.learning.sampling import sampler_grid, voxel_indices
from bgpvs_wf.learning.views import COARSE_MM, FINE_MM, MODALITIES

if TYPE_CHECKING:
    import torch

_STEP = round(COARSE_MM / FINE_MM)
_PERIOD = 4.0
"""Of the waves, in sizes of the frame: about as long as the nuclei."""
# How wrong an imitated answer is (chosen): displacements in voxels of 2 mm, shares, factors.
_SHIFT, _BENT = 0.4, 0.5
_ABSENT, _PATCHY = 0.08, 0.25
_SHARPNESS = (-0.4, 1.4)
_FRAME_SHIFT, _FRAME_SIZE = 0.12, 0.1


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


def given_context(nuclei: np.ndarray, ventricle: np.ndarray) -> np.ndarray:
    """Return the context of known anatomy: what a coarse network without fault would tell.

    Parameters
    ----------
    nuclei, ventricle : ndarray of bool, shape (x, y, z)
        On a grid of 0.5 mm.

    Returns
    -------
    ndarray of float32, shape (len(CONTEXT), x, y, z)
    """
    import torch

    masks = torch.from_numpy(np.stack([nuclei, ventricle]).astype(np.float32))
    shares = _sampled(_shares(masks, (0, 0, 0)), _places(nuclei.shape, (0, 0, 0)))
    return whole_context(shares.numpy(), np.asarray(voxel_indices(nuclei.shape)), frame_of(nuclei))


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
    """Return the context of the classes (see `FINE_CLASSES`) of a training case."""
    return given_context(is_nucleus(classes), classes == VENTRICLE_CLASS)


def case_input(fine: np.ndarray) -> np.ndarray:
    """Return what a fine network sees of a training case: its images and its context.

    Parameters
    ----------
    fine : ndarray of float32, shape (channels, x, y, z)
        The channels are `bgpvs_wf.learning.case.FINE_CHANNELS`.
    """
    classes = fine[FINE_CHANNELS.index("classes")]
    return np.concatenate([fine[: len(MODALITIES)], case_context(classes)])


def rough_context(
    classes: torch.Tensor, places: torch.Tensor, frame: Frame, rng: np.random.Generator
) -> torch.Tensor:
    """Return a context as a coarse network might give it, with random mistakes.

    Nuclei and ventricles displaced, bent, blurred or overconfident; parts or all of either missing;
    the frame displaced and of another size.

    Parameters
    ----------
    classes : Tensor of int, shape (x, y, z)
        Of a patch: numbers of `bgpvs_wf.learning.classes.FINE_CLASSES` on a grid of 0.5 mm.
    places : Tensor, shape (x, y, z, 3)
        Where the voxels of the patch are in the box.
    frame : Frame
        Of the nuclei in the box.
    rng : Generator

    Returns
    -------
    Tensor of float32, shape (len(CONTEXT), x, y, z)
    """
    import torch

    x, y, z = (int(n) for n in rng.integers(0, _STEP, 3))
    masks = torch.stack([is_nucleus(classes), classes == VENTRICLE_CLASS]).float()
    shares = _shares(masks, (x, y, z))
    sharpness = float(np.exp(rng.uniform(*_SHARPNESS)))
    shares = shares**sharpness / (shares**sharpness + (1 - shares) ** sharpness)
    if rng.random() < _PATCHY:
        shares *= (_smooth(rng, 1, shares.shape[1:])[0] + 1.2).clamp(0, 1)
    shares *= _tensor(rng.random(2) >= _ABSENT)[:, None, None, None]
    bent = _BENT * _smooth(rng, 3, classes.shape).movedim(0, -1) + _tensor(rng.normal(0, _SHIFT, 3))
    shares = _sampled(shares, _places(classes.shape, (x, y, z)) + bent)
    wrong = Frame(
        frame.middle + frame.size * rng.normal(0, _FRAME_SHIFT, 3),
        frame.size * np.exp(rng.normal(0, _FRAME_SIZE, 3)),
    )
    return torch.stack([*shares, *wrong.waves(places)]).float()


def _shares(masks: torch.Tensor, phase: tuple[int, int, int]) -> torch.Tensor:
    """Return the shares of masks in voxels of 2 mm that begin `phase` voxels before the array."""
    from torch.nn import functional

    pads = [(p, -(n + p) % _STEP) for p, n in zip(phase, masks.shape[1:], strict=True)]
    flat = [n for pair in reversed(pads) for n in pair]
    padded = functional.pad(masks[None], flat, mode="replicate")
    return functional.avg_pool3d(padded, _STEP)[0].clamp(0, 1)


def _places(shape: tuple[int, ...], phase: tuple[int, int, int]) -> torch.Tensor:
    """Return where each voxel of 0.5 mm is among those of 2 mm, shape (x, y, z, 3)."""
    return (voxel_indices(shape) + _tensor(np.array(phase)) + 0.5) / _STEP - 0.5


def _sampled(shares: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return shares between their voxels, shape (channels, x, y, z)."""
    from torch.nn import functional

    grid = sampler_grid(places, shares.shape[1:])
    return functional.grid_sample(shares[None], grid, "bilinear", "border", align_corners=False)[0]


def _smooth(rng: np.random.Generator, channels: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Return smooth noise of about unit size, shape (channels, *shape)."""
    from torch.nn import functional

    noise = _tensor(rng.standard_normal((1, channels, 4, 4, 4)))
    return functional.interpolate(noise, shape, mode="trilinear", align_corners=True)[0]


def _tensor(values: np.ndarray) -> torch.Tensor:
    import torch

    return torch.from_numpy(values.astype(np.float32))
