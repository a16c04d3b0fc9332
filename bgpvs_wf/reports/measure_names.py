"""What the scores and measures of an evaluation are called, and what they mean in a line."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """A score of a segmentation."""

    label: str
    unit: str
    decimals: int
    """As printed: a third for ratios, as methods often differ in it."""
    best_is_high: bool
    meaning: str


class Measure(NamedTuple):
    """A quantity of a subject that is compared with the reference."""

    label: str
    unit: str
    """Empty for counts."""
    scale: float
    """From the tables' unit to this one."""


METRICS: dict[str, Metric] = {
    "dice": Metric(
        "Dice", "", 3, True, "Overlap of prediction and reference: 1 the same voxels, 0 none."
    ),
    "recall": Metric("Recall", "", 3, True, "Share of the reference's voxels that were found."),
    "ppv": Metric("PPV", "", 3, True, "Share of the predicted voxels that are right (precision)."),
    "hausdorff_mm": Metric(
        "Hausdorff", "mm", 2, False, "The largest distance between the two surfaces."
    ),
    "hd95_mm": Metric(
        "HD95", "mm", 2, False, "Distance between the surfaces that 95 % of them stay within."
    ),
    "cluster_recall": Metric(
        "Cluster recall", "", 3, True, "Share of the reference's PVS that the prediction touches."
    ),
    "cluster_ppv": Metric(
        "Cluster PPV", "", 3, True, "Share of the predicted PVS that touch one of the reference."
    ),
    "cluster_f1": Metric(
        "Cluster F1", "", 3, True, "Harmonic mean of the two: PVS counted whole, large or small."
    ),
}
"""Column of the table of cases to what it is."""

MEASURES: dict[str, Measure] = {
    "BG volume": Measure("BG volume", "mm³", 1.0),
    "PVS volume": Measure("PVS volume", "mm³", 1.0),
    "PVS tube volume": Measure("PVS tube volume", "mm³", 1.0),
    "PVS count": Measure("PVS count", "", 1.0),
    "PVS fraction": Measure("PVS fraction", "%", 100.0),
}

STATISTICS: dict[str, str] = {
    "r": "Pearson correlation: how close to any straight line.",
    "ICC(2,1)": "Absolute agreement: 1 only if measured and reference are equal. Judge by this.",
    "ICC(3,1)": "Consistency: forgives a constant difference, as in comparisons within a study.",
    "MAE": "Mean absolute error.",
    "Bias": "Mean of measured − reference.",
    "Limits of agreement": "Bias ± 1.96 SD: 95 % of the differences are expected between them.",
    "p (Holm)": "Paired Wilcoxon signed-rank test against the proposed method, two-sided, "
    "corrected for the number of comparisons.",
    "Rank-biserial": "Effect size from −1 to 1; positive where the proposed has larger values.",
    "CLES": "Chance that a value of the proposed method is larger than one of the other.",
    "Detection": "Share of the true tubes that were found, with Wilson's 95 % interval.",
}
"""What the other columns mean."""


def metric_of(column: str) -> Metric:
    """Return what is known of a score; one that nobody knows is named as its column is.

    Examples
    --------
    >>> metric_of("hd95_mm").label, metric_of("surface_dice").label
    ('HD95', 'Surface dice')
    """
    unknown = Metric(column.replace("_", " ").capitalize(), "", 3, True, "")
    return METRICS.get(column, unknown)


def measure_of(name: str) -> Measure:
    """Return what is known of a quantity; see `metric_of`."""
    return MEASURES.get(name, Measure(name, "", 1.0))
