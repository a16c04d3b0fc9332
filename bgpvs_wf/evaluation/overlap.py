"""Voxel-wise overlap of two masks, and the distance between their surfaces."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bgpvs_wf.arrays import Affine, Mask
from bgpvs_wf.imaging.geometry import bounding_box, voxel_sizes, voxel_volume

NAN = float("nan")


def overlap(
    prediction: Mask,
    reference: Mask,
    affine: Affine,
    ignore: Mask | None = None,
) -> dict[str, float]:
    """Score a mask against a reference.

    Parameters
    ----------
    prediction, reference : ndarray of bool, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel index to mm, at right angles: oblique, anisotropic and flipped grids are fine.
    ignore : ndarray of bool, shape (x, y, z), optional
        Voxels that count for nobody: they are taken out of both masks.

    Returns
    -------
    dict of str to float
        ``dice`` (Dice, Ecology 1945, doi 10.2307/1932409), ``recall`` = |P and R| / |R|,
        ``ppv`` = |P and R| / |P|, ``hausdorff_mm``, ``hd95_mm`` (see `surface_distances`),
        ``reference_mm3``, ``predicted_mm3``.

        Both masks empty: Dice 1, recall, PPV and distances NaN. One empty: Dice 0, distances
        NaN, and 0 for the one of recall and PPV that is defined, NaN for the other.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> a = np.zeros((5, 5, 5), bool)
    >>> a[1:3, 1, 1] = True
    >>> scores = overlap(np.roll(a, 1, axis=0), a, np.diag([0.8, 1, 1, 1]))
    >>> scores["dice"], round(scores["hausdorff_mm"], 3), round(scores["reference_mm3"], 3)
    (0.5, 0.8, 1.6)
    """
    prediction, reference = counted(prediction, ignore), counted(reference, ignore)
    if prediction.shape != reference.shape:
        raise ValueError(f"masks of shapes {prediction.shape} and {reference.shape}")
    both = int((prediction & reference).sum())
    predicted, there = int(prediction.sum()), int(reference.sum())
    hausdorff, hd95 = surface_distances(prediction, reference, affine)
    return {
        "dice": 2 * both / (predicted + there) if predicted + there else 1.0,
        "recall": both / there if there else NAN,
        "ppv": both / predicted if predicted else NAN,
        "hausdorff_mm": hausdorff,
        "hd95_mm": hd95,
        "reference_mm3": there * voxel_volume(affine),
        "predicted_mm3": predicted * voxel_volume(affine),
    }


def counted(mask: Mask, ignore: Mask | None) -> Mask:
    """Return a mask without the voxels that count for nobody."""
    mask = np.asarray(mask, bool)
    return mask if ignore is None else mask & ~np.asarray(ignore, bool)


def surface_distances(a: Mask, b: Mask, affine: Affine) -> tuple[float, float]:
    """Return the Hausdorff distance of two masks and its 95th percentile, mm.

    Both are MONAI's (`monai.metrics.compute_hausdorff_distance`): a surface is the voxels of a
    mask with a face on its outside or on the edge of the array; distances are between centres
    of voxels, from each one of a surface to the nearest of the other. The Hausdorff distance is
    the largest in either direction. HD95 is the larger of the two directed 95th percentiles,
    each interpolated linearly, so neither changes when the masks change places. Some papers take
    one percentile of both directions together, which is smaller.

    Parameters
    ----------
    a, b : ndarray of bool, shape (x, y, z)
    affine : ndarray, shape (4, 4)

    Returns
    -------
    hausdorff, hd95 : float
        mm; NaN if one of the masks is empty.
    """
    if not a.any() or not b.any():
        return NAN, NAN
    import torch
    from monai.metrics import compute_hausdorff_distance

    box = bounding_box(a | b, affine)
    # MONAI takes a batch with channels, and pads by a voxel, so that the edge is surface.
    pair = [torch.from_numpy(np.ascontiguousarray(mask[box]))[None, None] for mask in (a, b)]
    spacing = voxel_sizes(affine).tolist()
    with _one_torch_thread(), warnings.catch_warnings():
        # MONAI 1.6 uses what it deprecates itself.
        warnings.simplefilter("ignore", FutureWarning)
        found = [
            compute_hausdorff_distance(
                *pair, include_background=True, spacing=spacing, percentile=q
            )
            for q in (None, 95)
        ]
    return float(found[0]), float(found[1])


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Keep torch from starting threads: processes forked later would wait for them for ever."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
