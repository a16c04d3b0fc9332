"""Partial volume of the nuclei themselves, where they border on cerebrospinal fluid.

Where nucleus and white matter meet, their signals may be equal (T2w at about 6 months), and what
a hard border gets wrong it gets wrong to both sides. Where the caudate meets the ventricle, the
signals always differ: there, and only there, voxels are split between the two.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bgpvs_wf.arrays import Image, Labels, Mask
from bgpvs_wf.quantification.occupancy import Occupancy


def border_gain(
    image: Image,
    parcels: Labels,
    fluid: Mask,
    measured: Occupancy,
    excluded: Mask,
) -> dict[int, float]:
    """Return what parcels gain or lose when the voxels at their border with CSF are split.

    A parcel's voxel with a face on fluid loses its share of CSF. A fluid voxel with a face on a
    parcel brings the rest of its volume, divided among its tissue faces.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
    parcels : ndarray of int, shape (x, y, z)
    fluid : ndarray of bool, shape (x, y, z)
        Ventricles and other CSF of the segmentation.
    measured : Occupancy
        Of the same image and parcels.
    excluded : ndarray of bool, shape (x, y, z)
        Voxels that keep their whole volume: PVS and their rim.

    Returns
    -------
    dict of int to float
        Parcel to gain, voxels.
    """
    names = [int(p) for p in np.unique(parcels) if p != 0]
    gain = dict.fromkeys(names, 0.0)
    tissue_faces = np.zeros(parcels.shape, np.int16)
    borders = np.zeros(parcels.shape, bool)
    for here, there in _faces(parcels.shape):
        tissue_faces[here] += ~fluid[there]
        borders[here] |= fluid[there]
    for parcel in names:
        own = (parcels == parcel) & borders & ~excluded
        lost = np.clip(np.nan_to_num(measured.share[own]), 0, 1)
        gain[parcel] -= float(lost.sum())
    for here, there in _faces(parcels.shape):
        background = measured.background[there]
        touch = fluid[here] & (parcels[there] != 0) & np.isfinite(background)
        tissue = (measured.csf_signal - image[here][touch]) / (
            measured.csf_signal - background[touch]
        )
        brought = np.clip(tissue, 0, 1) / tissue_faces[here][touch]
        for parcel in names:
            gain[parcel] += float(brought[parcels[there][touch] == parcel].sum())
    return gain


def _faces(shape: tuple[int, ...]) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield the six pairs of array parts in which voxels face each other."""
    for axis in range(len(shape)):
        low = tuple(slice(None, -1) if i == axis else slice(None) for i in range(len(shape)))
        high = tuple(slice(1, None) if i == axis else slice(None) for i in range(len(shape)))
        yield low, high
        yield high, low
