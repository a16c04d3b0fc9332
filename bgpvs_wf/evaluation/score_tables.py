"""The tables of an evaluation: what they hold, and how they are written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.imaging.files import write_json
from bgpvs_wf.quantification.columns import sidecar
from bgpvs_wf.quantification.group import write_tsv

if TYPE_CHECKING:
    import pandas as pd

BG, PVS = "BG", "BG-PVS"
STRUCTURES = (BG, PVS)
"""What is scored: the basal ganglia with the PVS inside, and the PVS."""
TUBE_VOLUME = "PVS tube volume"
"""The measure that a method need not have."""
MEASURES = ("BG volume", "PVS volume", TUBE_VOLUME, "PVS count", "PVS fraction")
"""What the agreement is of. Volumes of a prediction are by voxel count, but for that of tubes,
which the signal tells (`volume_tube_mm3`); the fraction is PVS volume over BG volume."""


def _column(description: str, units: str = "") -> dict[str, str]:
    return {"Description": description, "Units": units} if units else {"Description": description}


_WHO = {
    "subject": _column("Label of the subject, without sub-"),
    "session": _column("Label of the session, without ses-; n/a without sessions"),
    "method": _column("Name of the prediction"),
}
_STRUCTURE = {"structure": _column("BG (the nuclei with the PVS inside) or BG-PVS")}

CASE_COLUMNS: dict[str, dict[str, str]] = {
    **_WHO,
    **_STRUCTURE,
    "dice": _column("Dice coefficient; 1 if both are empty, 0 if one is"),
    "recall": _column("Share of the reference voxels predicted; n/a for an empty reference"),
    "ppv": _column("Share of the predicted voxels in the reference; n/a if none are predicted"),
    "hausdorff_mm": _column("Hausdorff distance of the surfaces; n/a if one is empty", "mm"),
    "hd95_mm": _column(
        "Larger of the two directed 95th percentiles of surface distances; n/a if one is empty",
        "mm",
    ),
    "cluster_recall": _column("Share of the reference objects touched by the prediction"),
    "cluster_ppv": _column("Share of the predicted objects that touch a reference object"),
    "cluster_f1": _column("Harmonic mean of cluster_recall and cluster_ppv"),
    "reference_mm3": _column("Volume of the reference by voxel count", "mm3"),
    "predicted_mm3": _column("Volume of the prediction by voxel count", "mm3"),
    "predicted_tube_mm3": _column(
        "Volume of the tubes as the prediction measured it by their signal; n/a if it did not",
        "mm3",
    ),
    "true_mm3": _column("True PVS volume inside the BG from the occupancy; n/a if unknown", "mm3"),
    "reference_count": _column("Number of PVS of the reference"),
    "predicted_count": _column("Number of connected PVS of the prediction"),
}
"""Column of `EvaluationTables.cases` to its description and units."""

TUBE_COLUMNS: dict[str, dict[str, str]] = {
    **_WHO,
    "tube": _column("Number of the true tube"),
    "diameter_mm": _column("Its true diameter", "mm"),
    "length_mm": _column("Its true length", "mm"),
    "volume_mm3": _column("Its true volume", "mm3"),
    "voxel_mm": _column("Edge of the cube with the volume of a voxel", "mm"),
    "snr": _column("Signal of the nuclei over the standard deviation of the noise"),
    "coverage": _column("Share of its voxels predicted; n/a if no voxel is labelled as its own"),
    "detected": _column("True if the coverage is large enough to count as found"),
}
"""Column of `EvaluationTables.tubes` to its description and units."""

DETECTION_COLUMNS: dict[str, dict[str, str]] = {
    "method": _WHO["method"],
    "diameter_low_mm": _column("Tubes at least this wide", "mm"),
    "diameter_high_mm": _column("and thinner than this; inf for no limit", "mm"),
    "voxel_mm": _column("Edge of the cube with the volume of a voxel", "mm"),
    "snr_low": _column("Scans of at least this SNR; n/a for scans of unknown SNR"),
    "snr_high": _column("and of less than this; inf for no limit"),
    "tubes": _column("Number of true tubes"),
    "detected": _column("How many of them were found"),
    "rate": _column("detected / tubes"),
    "ci_low": _column("Lower end of its 95 % Wilson interval"),
    "ci_high": _column("Upper end of its 95 % Wilson interval"),
}
"""Column of `EvaluationTables.detection` to its description and units."""

SMALLEST_COLUMNS: dict[str, dict[str, str]] = {
    "method": _WHO["method"],
    "voxel_mm": DETECTION_COLUMNS["voxel_mm"],
    "probability": _column("Probability of detection asked for"),
    "diameter_mm": _column("Diameter detected with this probability, logistic regression", "mm"),
    "ci_low_mm": _column("Lower end of its 95 % bootstrap interval", "mm"),
    "ci_high_mm": _column("Upper end of its 95 % bootstrap interval", "mm"),
    "tubes": _column("Number of true tubes"),
    "note": _column("Why there is no diameter or interval, or why to take care with it"),
}
"""Column of `EvaluationTables.smallest` to its description and units."""

_UNIT = "in mm3 for volumes"
AGREEMENT_COLUMNS: dict[str, dict[str, str]] = {
    "method": _WHO["method"],
    "measure": _column(f"What is compared: {', '.join(MEASURES[:-1])} or {MEASURES[-1]}"),
    "n": _column("Number of cases with both values"),
    "pearson_r": _column("Pearson correlation; n/a for fewer than three cases or equal values"),
    "pearson_r_low": _column("Lower end of its 95 % interval (Fisher z)"),
    "pearson_r_high": _column("Upper end of its 95 % interval (Fisher z)"),
    "icc2_1": _column("ICC(2,1): absolute agreement, two-way random, single measures"),
    "icc2_1_low": _column("Lower end of its 95 % interval"),
    "icc2_1_high": _column("Upper end of its 95 % interval"),
    "icc3_1": _column("ICC(3,1): consistency, two-way mixed, single measures"),
    "icc3_1_low": _column("Lower end of its 95 % interval"),
    "icc3_1_high": _column("Upper end of its 95 % interval"),
    "mae": _column(f"Mean absolute error, {_UNIT}"),
    "bias": _column(f"Mean of predicted minus reference, {_UNIT}"),
    "bias_low": _column("Lower end of its 95 % interval"),
    "bias_high": _column("Upper end of its 95 % interval"),
    "sd_of_differences": _column(f"Standard deviation of the differences, {_UNIT}"),
    "loa_low": _column(f"Lower limit of agreement, bias - 1.96 SD, {_UNIT}"),
    "loa_low_ci_low": _column("Lower end of its 95 % interval"),
    "loa_low_ci_high": _column("Upper end of its 95 % interval"),
    "loa_high": _column(f"Upper limit of agreement, bias + 1.96 SD, {_UNIT}"),
    "loa_high_ci_low": _column("Lower end of its 95 % interval"),
    "loa_high_ci_high": _column("Upper end of its 95 % interval"),
}
"""Column of `EvaluationTables.agreement` to its description and units."""

COMPARISON_COLUMNS: dict[str, dict[str, str]] = {
    **_STRUCTURE,
    "metric": _column("Column of the table of cases that is compared"),
    "proposed": _column("The proposed method"),
    "method": _column("The method it is compared with"),
    "n": _column("Number of pairs: cases with a value for both"),
    "dropped": _column("Number of cases without a value for one or both"),
    "mean_difference": _column("Mean of proposed minus other, in the unit of the metric"),
    "p": _column("Two-sided p of the paired Wilcoxon signed-rank test"),
    "p_holm": _column("p after Holm's correction over all methods and metrics of a structure"),
    "rank_biserial": _column(
        "Matched-pairs rank-biserial correlation; positive if the proposed has larger values"
    ),
    "cles": _column(
        "Common-language effect size: chance that a value of the proposed is the larger"
    ),
}
"""Column of `EvaluationTables.comparison` to its description and units."""

SUMMARY_COLUMNS: dict[str, dict[str, str]] = {
    "method": _WHO["method"],
    **_STRUCTURE,
    "metric": _column("Column of the table of cases that is summed up"),
    "n": _column("Number of cases with a value"),
    "missing": _column("Number of cases without one: not predicted, or not defined"),
    "mean": _column("Mean, in the unit of the metric"),
    "sd": _column("Standard deviation (n - 1)"),
    "median": _column("Median"),
}
"""Column of `EvaluationTables.summary` to its description and units."""

TABLES: dict[str, dict[str, dict[str, str]]] = {
    "cases": CASE_COLUMNS,
    "tubes": TUBE_COLUMNS,
    "detection": DETECTION_COLUMNS,
    "smallest": SMALLEST_COLUMNS,
    "agreement": AGREEMENT_COLUMNS,
    "comparison": COMPARISON_COLUMNS,
    "summary": SUMMARY_COLUMNS,
}
"""Table of `EvaluationTables` to its columns; also the files `evaluation_<table>.tsv`."""


@dataclass(frozen=True, eq=False)
class EvaluationTables:
    """All that an evaluation found. Each frame has the columns of `TABLES`, rows or not."""

    cases: pd.DataFrame
    """A row per case, method and structure; all scores missing where a prediction is."""
    tubes: pd.DataFrame
    """A row per true tube and method that predicted its case."""
    detection: pd.DataFrame
    """A row per method, bin of diameter, voxel size and bin of SNR that holds tubes."""
    smallest: pd.DataFrame
    """A row per method, voxel size and probability of detection."""
    agreement: pd.DataFrame
    """A row per method and measure."""
    comparison: pd.DataFrame
    """A row per structure, metric and other method; none without a proposed method."""
    summary: pd.DataFrame
    """A row per method, structure and metric."""
    problems: tuple[str, ...] = ()
    """One line each: what was not scored, and why."""
    proposed: str = ""
    """Name of the proposed method; empty if none was named."""

    @property
    def methods(self) -> list[str]:
        """Names of the predictions, in the order given."""
        return list(dict.fromkeys(self.cases["method"]))


def write_tables(tables: EvaluationTables, folder: str | os.PathLike[str]) -> list[Path]:
    """Write each table as `evaluation_<table>.tsv` with its data dictionary beside it.

    Parameters
    ----------
    tables : EvaluationTables
    folder : path-like
        Made if it is not there; older tables of the same names are replaced.

    Returns
    -------
    list of Path
        The TSV files.

    Raises
    ------
    BGPVSError
        If the folder cannot be written to.
    """
    paths = []
    for name, columns in TABLES.items():
        frame: pd.DataFrame = getattr(tables, name)
        path = Path(folder) / f"evaluation_{name}.tsv"
        write_json(sidecar(frame.columns, columns), path.with_suffix(".json"))
        paths.append(write_tsv(frame, path))
    return paths
