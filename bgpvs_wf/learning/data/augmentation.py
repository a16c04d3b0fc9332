"""What is done to a patch before a network sees it: space, contrast, noise, resolution, motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bgpvs_wf.learning.data.sampling import sampler_grid, smooth_noise, voxel_indices
from bgpvs_wf.learning.data.scan import MODALITIES
from bgpvs_wf.phantom.acquisition import move
from bgpvs_wf.settings import Settings, limited

if TYPE_CHECKING:
    import torch
    from monai.transforms import Compose

_LABELS = ("classes", "pvs", "tissue")
_SHARES = ("confidence", "fluid")


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig(Settings):
    """How much patches are changed; probabilities are of a patch."""

    section: ClassVar[str] = "augmentation."

    turned: float = limited(0.6, at_least=0.0, at_most=1.0)
    """Probability that a patch is turned, scaled and bent, which blurs it a little; the others are
    taken voxel by voxel, as sharp as a network sees a scan when it is used."""
    rotation_deg: float = limited(15.0, at_least=0.0, at_most=180.0)
    """Largest turn about each axis."""
    scaling: float = limited(0.15, at_least=0.0, at_most=1.0)
    """Largest change of size, as a share."""
    bending: float = limited(0.08, at_least=0.0, at_most=1.0)
    """Largest standard deviation of a smooth displacement along each axis, as a share of how far
    it is from one bend to the next, a third of the patch."""
    contrast: float = limited(0.25, at_least=0.0, at_most=1.0)
    """Probability of a painted random contrast, of heads and boxes of nuclei."""
    intensity: float = limited(0.3, at_least=0.0, at_most=1.0)
    """Probability of each of noise, blur, gamma, bias field and the like."""
    pvs_intensity: float = limited(0.15, at_least=0.0, at_most=1.0)
    """The same for the PVS network, which cannot find in noise what is not to be seen there."""
    tubes: float = limited(0.9, at_least=0.0, at_most=1.0)
    """Probability of tubes painted beside those that are there, for the PVS network; see
    `bgpvs_wf.learning.data.painted_tubes`."""
    motion: float = limited(0.1, at_least=0.0, at_most=1.0)
    """Probability of ripples of movement."""
    t2w_only: float = limited(0.2, at_least=0.0, at_most=1.0)
    """Probability that the T1w is taken away."""
    t1w_only: float = limited(0.1, at_least=0.0, at_most=1.0)
    """Probability that the T2w is taken away."""


def sample_patch(
    array: np.ndarray,
    channels: Sequence[str],
    centre: np.ndarray,
    size: tuple[int, int, int],
    rng: np.random.Generator,
    config: AugmentationConfig,
    *,
    flip: bool,
) -> dict[str, torch.Tensor]:
    """Cut a turned, scaled and bent patch in one interpolation.

    Parameters
    ----------
    array : ndarray, shape (channels, x, y, z)
        May be mapped from a file: only what is needed is read.
    channels : sequence of str
        Their names. Labels are taken from the nearest voxel, all else is interpolated linearly.
        Beyond the array images go on as they are at its edge; all else is 0.
    centre : ndarray, shape (3,)
        Voxel in the middle of the patch.
    size : tuple of 3 int
    rng : Generator
    config : AugmentationConfig
    flip : bool
        Whether left and right may change places.

    Returns
    -------
    dict of str to Tensor of float32, shape `size`
        Also `place`, shape (*size, 3): the voxel of the array that each one is.
    """
    import torch
    from torch.nn import functional

    half = (np.array(size) - 1) / 2
    matrix, bent = np.eye(3), torch.zeros(3)
    if rng.random() < config.turned:
        matrix, bent = _random_matrix(rng, config), _random_bend(rng, size, config)
    else:
        centre = np.floor(centre - half) + half
    if flip and rng.random() < 0.5:
        matrix[:, 0] *= -1
    offsets = voxel_indices(size) - torch.from_numpy(half.astype(np.float32))
    places = offsets @ torch.from_numpy(matrix.T.astype(np.float32))
    places += torch.from_numpy(centre.astype(np.float32))
    places += bent
    shape = np.array(array.shape[1:])
    flat = places.reshape(-1, 3)
    # A patch wholly outside the array still needs a voxel to be cut from.
    low = np.clip(np.floor(flat.amin(0).numpy()).astype(int) - 1, 0, shape - 1)
    high = np.clip(np.ceil(flat.amax(0).numpy()).astype(int) + 2, low + 1, shape)
    part = array[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    source = torch.from_numpy(np.ascontiguousarray(part, np.float32))[None]
    grid = sampler_grid(places - torch.from_numpy(low.astype(np.float32)), part.shape[1:])
    patch: dict[str, torch.Tensor] = {"place": places}
    for kinds, mode, beyond in (
        (MODALITIES, "bilinear", "border"),
        (_LABELS, "nearest", "zeros"),
        (_SHARES, "bilinear", "zeros"),
    ):
        names = [name for name in channels if name in kinds]
        if names:
            chosen = source[:, [channels.index(name) for name in names]]
            values = functional.grid_sample(chosen, grid, mode, beyond, align_corners=False)[0]
            patch |= dict(zip(names, values, strict=True))
    return patch


def _random_matrix(rng: np.random.Generator, config: AugmentationConfig) -> np.ndarray:
    """Draw a turn and a change of size, a little different along each axis."""
    from scipy.spatial.transform import Rotation

    angles = rng.uniform(-1, 1, 3) * config.rotation_deg
    sizes = np.exp(config.scaling * (rng.uniform(-1, 1) + rng.uniform(-0.3, 0.3, 3)))
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    return np.asarray(turn @ np.diag(sizes))


def _random_bend(
    rng: np.random.Generator, size: tuple[int, int, int], config: AugmentationConfig
) -> torch.Tensor:
    """Draw a smooth displacement in voxels, shape (*size, 3)."""
    largest = config.bending * float(np.mean(size)) / 3
    return rng.uniform() * largest * smooth_noise(rng, 3, size).movedim(0, -1)


def intensity_transforms(config: AugmentationConfig) -> Compose:
    """Return MONAI's transforms of a standardised patch; seed them before each use."""
    from monai import transforms as mt

    chance = config.intensity
    return mt.Compose(
        [
            mt.RandBiasField(degree=3, coeff_range=(0.0, 0.15), prob=chance / 2),
            mt.RandGaussianSmooth((0.25, 0.8), (0.25, 0.8), (0.25, 0.8), prob=chance / 2),
            mt.RandSimulateLowResolution(prob=chance / 3, zoom_range=(0.55, 1.0)),
            mt.RandGibbsNoise(prob=chance / 3, alpha=(0.0, 0.4)),
            mt.RandAdjustContrast(prob=chance, gamma=(0.7, 1.5), retain_stats=True),
            mt.RandScaleIntensity(factors=0.25, prob=chance),
            mt.RandShiftIntensity(offsets=0.3, prob=chance),
            mt.RandGaussianNoise(prob=chance, std=0.25),
        ]
    )


def ripple(
    images: np.ndarray, rng: np.random.Generator, voxel_mm: float, config: AugmentationConfig
) -> np.ndarray:
    """Return images of a head that moved, sometimes; see `bgpvs_wf.phantom.acquisition.move`."""
    if rng.random() >= config.motion:
        return images
    motion = rng.uniform(0.1, 0.6)
    # Magnitudes are what moves: standardised images have negative values.
    return np.stack([move(i - i.min(), rng, motion, voxel_mm) + i.min() for i in images])


def drop_modality(
    images: torch.Tensor,
    present: tuple[bool, bool],
    rng: np.random.Generator,
    config: AugmentationConfig,
) -> torch.Tensor:
    """Take T1w or T2w away at random, so that one network serves whoever has but one.

    A modality that is missing is 0 everywhere, whatever was done to the patch before.
    """
    draw = rng.random()
    t2w, t1w = present
    if t2w and t1w:
        t1w = draw >= config.t2w_only
        t2w = not config.t2w_only <= draw < config.t2w_only + config.t1w_only
    for channel, there in zip(images, (t2w, t1w), strict=True):
        if not there:
            channel.zero_()
    return images
