"""Images of painted heads as scanners give them: field of view, thick slices, noise, bias."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.learning.data.sampling import smooth_noise

if TYPE_CHECKING:
    import torch

_CUT_FACE, _TIGHT = 0.25, 0.2


def field_of_view(brain: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
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


def scanned(
    image: torch.Tensor,
    rng: np.random.Generator,
    standardise: Callable[[np.ndarray], np.ndarray],
    blank: float = 0.5,
    both: float = 0.4,
    noise: float = 0.1,
) -> torch.Tensor:
    """Return images as scanners give them, standardised; one may be missing.

    Parameters
    ----------
    image : Tensor, shape (2, x, y, z)
    rng : Generator
    standardise : callable
        Of one image.
    blank : float
        Share of images without noise in the air.
    both : float
        Share of pairs of which neither is missing.
    noise : float
        Largest, as a share of the mean signal.
    """
    import torch

    draw = rng.random()
    alone = (1 - both) / 2
    missing = 1 if draw < alone else 0 if draw < 2 * alone else -1
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
        sigma = float(rng.uniform(0, noise)) * level
        added = sigma * torch.randn(one.shape, generator=generator)
        clean = rng.random() < blank
        one = torch.where(there, one + added, 0 if clean else added.abs()).clamp(min=0)
        out[channel] = torch.from_numpy(standardise(one.numpy()))
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
