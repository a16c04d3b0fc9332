"""Nuclei that follow the borders seen in the images: expectation-maximisation on what is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from bgpvs_wf.anatomy.labels import (
    ANY_LENTIFORM_LABELS,
    BG_LABELS,
    CAUDATE_LABELS,
    CORTEX_LABELS,
    CSF_LABELS,
    MIRROR,
    NUCLEI,
    THALAMUS_LABELS,
    WM_LABELS,
)
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_sizes, voxel_volume
from bgpvs_wf.imaging.morphology import close_mm, distance_to_mm, nearest_label

PRIOR_SIGMA_MM = 1.2
"""How far a registered border is off, standard deviation (chosen)."""
NEIGHBOUR_WEIGHT = 2.0
"""Of the neighbours' posteriors (chosen)."""
REACH_MM = 6.0
"""Labels farther from the nuclei stay as they were (chosen)."""
_LEAST = 1e-3
"""Prior of what a network rules out."""
_ITERATIONS = 6
FLUID = 24
"""Label of all that is fluid."""
_CAPSULE, _WM, _CORTEX = 9200, 2, 3
_CAPSULE_MM = 7.0


@dataclass(frozen=True, kw_only=True)
class _Mixture:
    """How much a prior is believed; all numbers are chosen."""

    passes: int
    """What one pass finds is the next one's prior, so that a border farther off is reached."""
    weight: float
    """Of the images in voxels of 1 mm: less than 1, because the noise of neighbours is not
    independent."""
    weight_power: float
    """How the weight goes with the size of voxels: smaller ones depend on each other more."""
    least_spread: float
    """Of a structure's intensities, as a share of that of all: voxels at its border, partly filled,
    are no other structure."""
    outlying: float
    """Squared distance, in standard deviations, beyond which a voxel is a tube or a vessel, of
    which a structure's intensities are not learnt."""
    farthest: float
    """Squared distance beyond which a voxel speaks no more against a structure."""
    tube_mm: float
    """Gaps in a nucleus up to twice as wide are perivascular spaces rather than its border."""


# Chosen on phantoms that are in no test, and three infants.
_REGISTERED = _Mixture(
    passes=2,
    weight=0.6,
    weight_power=0,
    least_spread=0.05,
    outlying=math.inf,
    farthest=math.inf,
    tube_mm=1.0,
)
# Chosen on phantoms that are in no test, and two infants.
_TOLD = _Mixture(
    passes=1,
    weight=0.94,
    weight_power=2,
    least_spread=0.1,
    outlying=6.0,
    farthest=16.0,
    tube_mm=1.5,
)


class Refined(NamedTuple):
    """The refined anatomy."""

    dseg: np.ndarray
    """int16, harmonised labels, shape (x, y, z)."""
    bg_probability: np.ndarray
    """float32, posterior of the basal ganglia, shape (x, y, z)."""


def refine(
    dseg: np.ndarray,
    affine: np.ndarray,
    images: Sequence[np.ndarray],
    told: Mapping[int, np.ndarray] | None = None,
    include_thalamus: bool = False,
) -> Refined:
    """Refine nuclei that a registration or a network found, on the images.

    A Gaussian mixture over the intensities of all images, one component a structure (both sides
    share it), with the labels, smoothed, as spatial prior and the neighbours' posteriors as a mean
    field (Van Leemput et al., IEEE Trans Med Imaging 1999, doi 10.1109/42.811270).

    Parameters
    ----------
    dseg : ndarray of int, shape (x, y, z)
        Harmonised labels.
    affine : ndarray, shape (4, 4)
    images : sequence of ndarray, shape (x, y, z)
        Preprocessed, one or more; 0 is background.
    told : mapping of int to ndarray, shape (x, y, z), optional
        Probabilities of the labels of nuclei, and of `FLUID`, from a network: the prior, instead of
        smoothed labels; what is left to 1 is shared out among the others as these are.
    include_thalamus : bool
        Whether the thalamus counts as basal ganglia.

    Returns
    -------
    Refined
        Labels other than the nuclei only change where a nucleus grows or shrinks.

    Raises
    ------
    ValueError
        If there is no image or no nucleus.
    """
    if not images:
        raise ValueError("no image to refine on")
    nuclei = np.isin(dseg, tuple(NUCLEI))
    box = bounding_box(nuclei, affine, margin_mm=REACH_MM + 3 * PRIOR_SIGMA_MM)
    part, cropped = dseg[box], crop_affine(affine, box)
    cut = [np.asarray(image[box], np.float32) for image in images]
    signal = np.logical_and.reduce([image > 0 for image in cut])
    where = (distance_to_mm(nuclei[box], cropped) < REACH_MM) & signal
    sigma = 0.4 / voxel_sizes(cropped)
    samples = np.stack([ndimage.gaussian_filter(image, sigma)[where] for image in cut], axis=-1)
    mixture = _REGISTERED if told is None else _TOLD
    weight = mixture.weight * voxel_volume(cropped) ** (mixture.weight_power / 3)
    for _ in range(mixture.passes):
        classes = _classes(part, cropped)
        labels = np.unique(classes)
        prior = _prior(classes, labels, where, cropped)
        if told is not None:
            prior = _told_prior(prior, labels, {i: p[box][where] for i, p in told.items()})
        posterior = _maximise(samples, prior, labels, where, weight, mixture)
        part = _relabelled(part, labels, where, posterior, cropped, mixture.tube_mm)
    out = np.array(dseg, np.int16)
    out[box] = part
    probability = np.zeros(dseg.shape, np.float32)
    inner = probability[box]
    counted = BG_LABELS + (THALAMUS_LABELS if include_thalamus else ())
    inner[where] = np.minimum(posterior[np.isin(labels, counted)].sum(axis=0), 1)
    inner[~where & np.isin(classes, counted)] = 1
    return Refined(out, probability)


def _classes(dseg: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Reduce labels to nuclei, capsule, white matter, cortex and fluid."""
    out = np.full(dseg.shape, _WM, np.int16)
    out[np.isin(dseg, CORTEX_LABELS)] = _CORTEX
    out[np.isin(dseg, CSF_LABELS)] = FLUID
    nuclei = np.isin(dseg, tuple(NUCLEI))
    out[nuclei] = dseg[nuclei]
    caudal = np.isin(dseg, (*THALAMUS_LABELS, *CAUDATE_LABELS, 4, 43, 213))
    lentiform = np.isin(dseg, ANY_LENTIFORM_LABELS)
    capsule = np.isin(dseg, (0, *WM_LABELS))
    for structure in (caudal, lentiform):
        capsule &= distance_to_mm(structure, affine) < _CAPSULE_MM
    out[capsule] = _CAPSULE
    return out


def _prior(
    classes: np.ndarray, labels: np.ndarray, where: np.ndarray, affine: np.ndarray
) -> np.ndarray:
    sigma = PRIOR_SIGMA_MM / voxel_sizes(affine)
    smooth = [ndimage.gaussian_filter((classes == i).astype(np.float32), sigma) for i in labels]
    prior = np.stack([volume[where] for volume in smooth]) + 1e-6
    return prior / prior.sum(axis=0)


def _told_prior(
    smoothed: np.ndarray, labels: np.ndarray, told: Mapping[int, np.ndarray]
) -> np.ndarray:
    """Return the prior where some labels' probabilities are told; all of shape (labels, voxels)."""
    known = np.isin(labels, list(told))
    shares = np.stack([told[int(i)] for i in labels[known]])
    shares = np.concatenate([shares, 1 - shares.sum(axis=0, keepdims=True)])
    shares = np.maximum(shares, _LEAST)
    prior = np.array(smoothed)
    prior[known] = shares[:-1]
    prior[~known] *= shares[-1] / smoothed[~known].sum(axis=0)
    return np.asarray(prior / prior.sum(axis=0))


def _maximise(
    samples: np.ndarray,
    prior: np.ndarray,
    labels: np.ndarray,
    where: np.ndarray,
    weight: float,
    mixture: _Mixture,
) -> np.ndarray:
    """Return the posteriors, shape (classes, voxels)."""
    groups = np.array([min(int(i), MIRROR.get(int(i), int(i))) for i in labels])
    floor = np.diag((mixture.least_spread * samples.std(axis=0) + 1e-6) ** 2)
    expected, posterior = np.log(prior), prior
    for _ in range(_ITERATIONS):
        field = expected + NEIGHBOUR_WEIGHT * _neighbours(posterior, where)
        for group in np.unique(groups):
            members = groups == group
            fit = _log_likelihood(samples, posterior[members].sum(axis=0), floor, mixture)
            field[members] += weight * fit
        field -= field.max(axis=0)
        posterior = np.exp(field)
        posterior /= posterior.sum(axis=0)
    return posterior


def _neighbours(posterior: np.ndarray, where: np.ndarray) -> np.ndarray:
    volume = np.zeros(where.shape, np.float32)
    out = np.empty_like(posterior)
    for row, values in enumerate(posterior):
        volume[where] = values
        out[row] = ndimage.gaussian_filter(volume, 0.8)[where]
    return out


def _log_likelihood(
    samples: np.ndarray, weight: np.ndarray, floor: np.ndarray, mixture: _Mixture
) -> np.ndarray:
    """Return the log density of the Gaussian that the weighted samples make, tubes left out."""
    core = np.where(weight > 0.6, weight, 0)
    weight = core if np.count_nonzero(core) > 50 else weight
    distance, log_size = _gaussian(samples, weight, floor)
    kept = distance < mixture.outlying
    if not kept.all():
        distance, log_size = _gaussian(samples, weight * kept, floor)
    return -0.5 * (np.minimum(distance, mixture.farthest) + log_size)


def _gaussian(
    samples: np.ndarray, weight: np.ndarray, floor: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return the squared distances to weighted samples, and the log determinant of their spread."""
    total = weight.sum()
    centred = samples - weight @ samples / total
    covariance = (weight[:, None] * centred).T @ centred / total + floor
    distance = ((centred @ np.linalg.inv(covariance)) * centred).sum(axis=1)
    return distance, float(np.linalg.slogdet(covariance)[1])


def _relabelled(
    before: np.ndarray,
    labels: np.ndarray,
    where: np.ndarray,
    posterior: np.ndarray,
    affine: np.ndarray,
    tube_mm: float,
) -> np.ndarray:
    """Return the labels with the nuclei as the posteriors say."""
    part = np.array(before, np.int16)
    best = labels[posterior.argmax(axis=0)]
    old = before[where]
    nucleus = np.isin(best, tuple(NUCLEI))
    changed = np.isin(old, tuple(NUCLEI)) & ~nucleus
    other = np.select([best == _CORTEX, best == FLUID], [_CORTEX, FLUID], _WM)
    part[where] = np.where(nucleus, best, np.where(changed, other, old))
    _give_back_tubes(part, np.isin(before, tuple(NUCLEI)), affine, tube_mm)
    return part


def _give_back_tubes(
    part: np.ndarray, known: np.ndarray, affine: np.ndarray, tube_mm: float
) -> None:
    """Return, in place, what is enclosed by nuclei to them.

    A perivascular space looks like fluid to the mixture, but it belongs to its nucleus.
    """
    nuclei = np.isin(part, tuple(NUCLEI))
    closed = close_mm(nuclei, affine, tube_mm) & known
    lost = (closed | ndimage.binary_fill_holes(nuclei)) & ~nuclei
    if lost.any():
        part[lost] = nearest_label(np.where(nuclei, part, 0), affine)[lost]
