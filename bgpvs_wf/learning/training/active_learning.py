"""Whom to annotate next: subjects that the model is unsure of, and that differ from one another.

Uncertainty alone chooses the same kind of subject again and again, since a model is unsure of all
scans of a kind. Taking the farthest subject each time covers the cohort (k-centre, or core-set:
Sener & Savarese 2018, doi 10.48550/arXiv.1708.00489), but asks for labels that teach nothing where
the model is sure. Weighing one by the other is the idea of BADGE (Ash et al. 2020,
doi 10.48550/arXiv.1906.03671), here on measures of a scan rather than on gradients, so that a
person can see why a subject is chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.anatomy.labels import (
    CAUDATE_LABELS,
    PALLIDUM_LABELS,
    PUTAMEN_LABELS,
    THALAMUS_LABELS,
)
from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_sizes
from bgpvs_wf.imaging.morphology import distance_mm, distance_to_mm

if TYPE_CHECKING:
    import pandas as pd

RIM_MM = 1.5
"""The basal ganglia are grown by this (chosen): their border may lie outside of the drawn one."""
FAR = 3.0
"""Standardised features end here (chosen): far is far, and one odd value does not decide alone."""
UNCERTAINTY = "uncertainty"
"""The feature that ranks subjects."""
FEATURES: Mapping[str, tuple[str, ...]] = {
    "size of the nuclei": ("Caudate", "Putamen", "Pallidum", "Accumbens-area", "Thalamus"),
    "perivascular spaces": ("pvs_count", "pvs_fraction"),
    "contrast of the nuclei": ("t2w_putamen", "t2w_pallidum", "t2w_thalamus"),
    "scan": ("shortest_edge", "longest_edge", "t2w", "t1w"),
    UNCERTAINTY: (UNCERTAINTY,),
}
"""Groups of features; each group counts the same, however many features it has."""
_CONTRAST = {
    "putamen": PUTAMEN_LABELS,
    "pallidum": PALLIDUM_LABELS,
    "thalamus": THALAMUS_LABELS,
}
_NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution, in standard deviations."""
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Suggestion:
    """A subject to annotate, and why."""

    label: str
    uncertainty: float
    place: int
    """By uncertainty among all that could be chosen; 1 is the most uncertain one."""
    among: int
    """How many could be chosen."""
    distance: float = np.nan
    """From the nearest subject that was chosen before or is labelled; NaN if there is none."""
    nearest: str = ""
    """That subject; empty if there is none."""
    differs: str = ""
    """The group of `FEATURES` in which the two differ most; empty if they do not."""

    @property
    def why(self) -> str:
        """The reasons, in words."""
        place = "most uncertain" if self.place == 1 else f"number {self.place} by uncertainty"
        text = f"{place} of {self.among}"
        if self.differs:
            return f"{text}; nearest is {self.nearest}, which differs most in: {self.differs}"
        return f"{text}; like {self.nearest}" if self.nearest else text


def mean_uncertainty(uncertainty: np.ndarray, dseg: np.ndarray, affine: np.ndarray) -> float:
    """Return how unsure a model is of a subject: the mean over the basal ganglia grown by `RIM_MM`.

    Most uncertainty is at the border, of which small basal ganglia have the larger share, so that
    a plain mean would rank subjects by their size. The rim (within `RIM_MM` of the border, on
    either side) and what is deeper are therefore averaged each by itself, and count the same.

    Parameters
    ----------
    uncertainty : ndarray, shape (x, y, z)
        0 to 1.
    dseg : ndarray of int, shape (x, y, z)
        0 rest, 1 BG, 2 BG-PVS.
    affine : ndarray, shape (4, 4)

    Raises
    ------
    BadLabelsError
        If there are no basal ganglia.

    Examples
    --------
    >>> dseg = np.zeros((9, 9, 9), int)
    >>> dseg[2:7, 2:7, 2:7] = 1
    >>> round(mean_uncertainty(np.where(dseg, 0.2, 0.4), dseg, np.eye(4)), 2)
    0.27
    """
    bg = np.asarray(dseg) > 0
    if not bg.any():
        raise BadLabelsError("the labels have no basal ganglia; look at the subject's page.")
    box = bounding_box(bg, affine, RIM_MM + float(voxel_sizes(affine).max()))
    bg, values = bg[box], np.asarray(uncertainty)[box]
    affine = crop_affine(affine, box)
    depth = distance_mm(bg, affine)
    rim = (depth <= RIM_MM) & (distance_to_mm(bg, affine) <= RIM_MM)
    parts = [part for part in (rim, depth > RIM_MM) if part.any()]
    return float(np.mean([values[part].mean(dtype=np.float64) for part in parts]))


def describe(
    *,
    uncertainty: np.ndarray,
    dseg: np.ndarray,
    nuclei: np.ndarray,
    t2w: np.ndarray | None,
    affine: np.ndarray,
    regions: pd.DataFrame,
    has_t1w: bool,
) -> dict[str, float]:
    """Return the features of a subject, by the names in `FEATURES`; what is not known is NaN.

    The age is not among them, since it need not be known: sizes and contrast tell it.

    Parameters
    ----------
    uncertainty, dseg, affine
        As for `mean_uncertainty`.
    nuclei : ndarray of int, shape (x, y, z)
        FreeSurfer's numbers.
    t2w : ndarray or None, shape (x, y, z)
    regions : DataFrame
        ``desc-bgpvs_morph.tsv``, as `bgpvs_wf.quantification.group.read_regions` gives it.
    has_t1w : bool

    Returns
    -------
    dict of str to float
        Logarithms of volumes (mm3), of voxel edges (mm), of 1 + count and 1 + percentage of PVS,
        and of the medians of the T2w over that of the caudate; 0 or 1 for a modality.

    Raises
    ------
    BadLabelsError
        If there are no basal ganglia.
    """
    import pandas as pd

    both = regions[regions["side"] == "both"].drop_duplicates("region").set_index("region")

    def known(region: str, column: str) -> float:
        value = pd.to_numeric(both[column], errors="coerce").get(region)
        return np.nan if pd.isna(value) else float(value)

    features = {name: _log(known(name, "volume_mm3")) for name in FEATURES["size of the nuclei"]}
    features["pvs_count"] = _log(1 + known("BG", "pvs_count"))
    features["pvs_fraction"] = _log(1 + 100 * known("BG", "pvs_fraction"))
    tissue = np.asarray(dseg) != 2
    caudate = _median(t2w, np.isin(nuclei, CAUDATE_LABELS) & tissue)
    for name, labels in _CONTRAST.items():
        signal = _median(t2w, np.isin(nuclei, labels) & tissue)
        features[f"t2w_{name}"] = _log(signal) - _log(caudate)
    edges = np.round(voxel_sizes(affine), 2)  # headers differ in later digits
    features["shortest_edge"], features["longest_edge"] = map(_log, (edges.min(), edges.max()))
    features["t2w"], features["t1w"] = float(t2w is not None), float(has_t1w)
    features[UNCERTAINTY] = mean_uncertainty(uncertainty, dseg, affine)
    return features


def standardise(values: np.ndarray) -> np.ndarray:
    """Standardise features over a cohort by median and interquartile range.

    Where half of the cohort is the same, the range is that of a normal distribution with the same
    standard deviation. What does not vary becomes 0, and so does what is not known: the middle.

    Parameters
    ----------
    values : ndarray, shape (subjects, features)

    Returns
    -------
    ndarray of float64, shape (subjects, features)
        From -`FAR` to `FAR`.

    Examples
    --------
    >>> standardise(np.array([[1, 7], [2, 7], [3, 7], [4, np.nan], [50, 7]])).T
    array([[-1. , -0.5,  0. ,  0.5,  3. ],
           [ 0. ,  0. ,  0. ,  0. ,  0. ]])
    """
    return np.stack([_standardise_one(column) for column in np.asarray(values, float).T], axis=1)


def choose(
    subjects: Mapping[str, Mapping[str, float]],
    labelled: Collection[str],
    number: int,
    seed: int | None = None,
) -> list[Suggestion]:
    """Choose whom to annotate, the most worth it first.

    Each time, the subject with the largest product of two numbers is taken: its rank by
    uncertainty (1 for the most uncertain, equal steps down to 1 / n) and its distance from the
    nearest subject that is labelled or was chosen before. Without any such, the most uncertain is
    the first. Of equals, the more uncertain is taken, then the first by label.

    Parameters
    ----------
    subjects : mapping of str to mapping of str to float
        Label to features of `describe`; their order is of no matter.
    labelled : collection of str
        Those among them that are annotated; others are left out.
    number : int
        How many to choose; all, if there are fewer.
    seed : int, optional
        Shuffles the order of labels that decides between equals.

    Returns
    -------
    list of Suggestion
        Distances are root mean squares over the groups of `FEATURES`, 1 being one
        interquartile range of the cohort.

    Examples
    --------
    >>> unsure = {"sub-01": 0.1, "sub-02": 0.3, "sub-03": 0.3}
    >>> choose({label: {"uncertainty": value} for label, value in unsure.items()}, [], 1)[0].why
    'most uncertain of 3'
    """
    labels = sorted(subjects)
    points = _points([subjects[label] for label in labels])
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(labels))
        labels, points = [labels[i] for i in order], points[order]
    unsure = np.array([subjects[label][UNCERTAINTY] for label in labels], float)
    free = np.array([label not in labelled for label in labels], bool)
    rank = np.array([(unsure[free] <= value).mean() for value in unsure]) if free.any() else unsure
    distance, nearest = np.full(len(labels), np.inf), np.full(len(labels), -1)

    def come_near(centre: int) -> None:
        apart = np.linalg.norm(points - points[centre], axis=1)
        nearest[apart < distance] = centre
        np.minimum(distance, apart, out=distance)

    for centre in np.flatnonzero(~free):
        come_near(int(centre))
    left = free.copy()
    chosen: list[Suggestion] = []
    while left.any() and len(chosen) < number:
        worth = np.where(np.isfinite(distance), rank * distance, 0)
        best = max(map(int, np.flatnonzero(left)), key=lambda i: (worth[i], rank[i]))
        near, place = int(nearest[best]), int((unsure[free] > unsure[best]).sum()) + 1
        one = Suggestion(labels[best], float(unsure[best]), place, int(free.sum()))
        if near >= 0:
            one = replace(
                one,
                distance=float(distance[best]),
                nearest=labels[near],
                differs=_differs(points[best] - points[near]),
            )
        chosen.append(one)
        left[best] = False
        come_near(best)
    return chosen


def _points(subjects: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Return standardised features whose Euclidean distance is that of `Suggestion`."""
    names = [(name, len(group)) for group in FEATURES.values() for name in group]
    values = [[subject.get(name, np.nan) for name, _ in names] for subject in subjects]
    weights = [1 / np.sqrt(count * len(FEATURES)) for _, count in names]
    return standardise(np.array(values, float).reshape(-1, len(names))) * weights


def _differs(difference: np.ndarray) -> str:
    """Return the group of features with the largest part in a difference of `_points`."""
    ends = np.cumsum([len(group) for group in FEATURES.values()])[:-1]
    parts = [float((part**2).sum()) for part in np.split(difference, ends)]
    return list(FEATURES)[int(np.argmax(parts))] if max(parts) > 0 else ""


def _standardise_one(column: np.ndarray) -> np.ndarray:
    known = np.sort(column[np.isfinite(column)])  # sorted, so that the order is of no matter
    if not known.size:
        return np.zeros(column.shape)
    low, middle, high = np.percentile(known, (25, 50, 75))
    spread = high - low if high - low > _ROUNDING else _NORMAL_IQR * known.std()
    if spread <= _ROUNDING:
        return np.zeros(column.shape)
    return np.nan_to_num(np.clip((column - middle) / spread, -FAR, FAR), nan=0.0)


def _median(image: np.ndarray | None, mask: np.ndarray) -> float:
    return float(np.median(image[mask])) if image is not None and mask.any() else np.nan


def _log(value: float) -> float:
    return float(np.log(value)) if value > 0 else np.nan
