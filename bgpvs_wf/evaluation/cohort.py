"""The evaluation of a cohort: every prediction of every subject against its reference."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.bids.inputs import label_of
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.evaluation.agreement import agreement
from bgpvs_wf.evaluation.case_files import (
    BGPVS,
    NUCLEI,
    Files,
    Key,
    find_cases,
    read_prediction,
    read_reference,
    read_tube_volumes,
)
from bgpvs_wf.evaluation.detection import detection_table
from bgpvs_wf.evaluation.method_comparison import compare_methods, summary
from bgpvs_wf.evaluation.score_tables import (
    AGREEMENT_COLUMNS,
    BG,
    CASE_COLUMNS,
    COMPARISON_COLUMNS,
    MEASURES,
    PVS,
    TUBE_COLUMNS,
    TUBE_VOLUME,
    EvaluationTables,
)
from bgpvs_wf.evaluation.scoring import Rows, score_case
from bgpvs_wf.evaluation.smallest import smallest_table

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)


def evaluate(
    reference: str | os.PathLike[str],
    predictions: Mapping[str, str | os.PathLike[str]],
    *,
    proposed: str | None = None,
    seed: int = 0,
) -> EvaluationTables:
    """Score predictions of a cohort against a reference.

    Parameters
    ----------
    reference : path-like
        Folder with the true labels; see `bgpvs_wf.evaluation.case_files.read_reference`.
    predictions : mapping of str to path-like
        Name of each method to the folder of its results; the order is kept. What they hold
        beyond the subjects of the reference is left out.
    proposed : str, optional
        The method that the others are compared with.
    seed : int
        Of the bootstrap.

    Returns
    -------
    EvaluationTables
        A subject that cannot be scored is a line of `problems` and stops nobody else. If a
        method lacks it, its row has missing scores, not zeros.

    Raises
    ------
    UsageError
        If there is no prediction, a folder does not exist, the proposed method is none of them,
        or nothing at all can be scored.
    """
    _check(reference, predictions, proposed)
    truth = find_cases(reference)
    truth = {key: files for key, files in truth.items() if {BGPVS, NUCLEI} & set(files)}
    if not truth:
        raise UsageError(
            f"{reference} holds no sub-*_{BGPVS}.nii.gz or sub-*_{NUCLEI}.nii.gz; "
            "give the folder with the reference."
        )
    found = {method: find_cases(folder) for method, folder in predictions.items()}
    cases: Rows = []
    tubes: Rows = []
    problems: list[str] = []
    for key, files in truth.items():
        of_methods = {method: found[method].get(key, {}) for method in predictions}
        more_cases, more_tubes, more_problems = _score_subject(key, files, of_methods)
        cases += more_cases
        tubes += more_tubes
        problems += more_problems
        _log.info("%s scored", label_of(*key))
    if all(np.isnan(row["dice"]) for row in cases):
        more = f"; {len(problems) - 1} more" if len(problems) > 1 else ""
        raise UsageError(f"Nothing of {reference} could be scored: {problems[0]}{more}")
    return tables_from_cases(
        _frame(cases, CASE_COLUMNS), _frame(tubes, TUBE_COLUMNS), proposed, problems, seed
    )


def tables_from_cases(
    cases: pd.DataFrame,
    tubes: pd.DataFrame,
    proposed: str | None = None,
    problems: Sequence[str] = (),
    seed: int = 0,
) -> EvaluationTables:
    """Put all tables together from scored cases, of one cohort or several.

    Parameters
    ----------
    cases, tubes : DataFrame
        With the columns of `CASE_COLUMNS` and `TUBE_COLUMNS`, as `score_case` makes their rows.
        Subjects of the same label in several cohorts need labels that tell them apart.
    proposed : str, optional
    problems : sequence of str
    seed : int

    Returns
    -------
    EvaluationTables

    Raises
    ------
    ValueError
        If a case is there twice.
    """
    import pandas as pd

    twice = cases.duplicated(["subject", "session", "method", "structure"])
    if twice.any():
        first = cases[twice].iloc[0]
        raise ValueError(f"sub-{first['subject']} is there twice for {first['method']}")
    return EvaluationTables(
        cases=cases,
        tubes=tubes,
        detection=detection_table(tubes),
        smallest=smallest_table(tubes, seed=seed),
        agreement=agreement_table(cases),
        comparison=compare_methods(cases, proposed)
        if proposed
        else pd.DataFrame(columns=list(COMPARISON_COLUMNS)),
        summary=summary(cases),
        problems=tuple(problems),
        proposed=proposed or "",
    )


def agreement_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Compare predicted with true volumes, counts and fractions, by method.

    Parameters
    ----------
    cases : DataFrame
        Columns as in `CASE_COLUMNS`.

    Returns
    -------
    DataFrame
        The columns of `AGREEMENT_COLUMNS`; no rows on PVS where none were scored, none on the
        volume of tubes of a method that did not measure it. The true PVS
        volume is `true_mm3` if every case has it, else `reference_mm3`: a mixture would agree
        with nothing.
    """
    import pandas as pd

    key = [cases["subject"], cases["session"].fillna("")]
    indexed = cases.set_index([*key, "method"], drop=False)
    bg = indexed[indexed["structure"] == BG]
    pvs = indexed[indexed["structure"] == PVS]
    volume = "reference_mm3" if pvs["true_mm3"].isna().any() else "true_mm3"
    whole = bg.reindex(pvs.index)
    pairs = {
        "BG volume": (bg["reference_mm3"], bg["predicted_mm3"]),
        "PVS volume": (pvs[volume], pvs["predicted_mm3"]),
        TUBE_VOLUME: (pvs[volume], pvs["predicted_tube_mm3"]),
        "PVS count": (pvs["reference_count"], pvs["predicted_count"]),
        "PVS fraction": (
            pvs[volume] / whole["reference_mm3"],
            pvs["predicted_mm3"] / whole["predicted_mm3"],
        ),
    }
    rows: list[dict[str, Any]] = []
    for method in dict.fromkeys(cases["method"]):
        for measure in MEASURES:
            true, measured = pairs[measure]
            mine = true.index.get_level_values("method") == method
            if mine.any() and (measure != TUBE_VOLUME or measured[mine].notna().any()):
                found = agreement(true[mine].to_numpy(float), measured[mine].to_numpy(float))
                rows.append({"method": method, "measure": measure, **found})
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def _check(
    reference: str | os.PathLike[str],
    predictions: Mapping[str, str | os.PathLike[str]],
    proposed: str | None,
) -> None:
    if not predictions:
        raise UsageError("No prediction is given; give the folder of one or more.")
    if proposed is not None and proposed not in predictions:
        raise UsageError(
            f"The proposed method '{proposed}' is none of {', '.join(predictions)}; "
            "give one of these names."
        )
    for what, folder in (("reference", reference), *predictions.items()):
        if not Path(folder).is_dir():
            raise UsageError(f"There is no folder {folder} ({what}); correct the path.")


def _score_subject(
    key: Key, files: Files, of_methods: Mapping[str, Files]
) -> tuple[Rows, Rows, list[str]]:
    """Score all methods on one scan; whatever is wrong with it ends up in the third list."""
    cases: Rows = []
    tubes: Rows = []
    problems: list[str] = []
    try:
        reference, home = read_reference(key, files)
    except BGPVSError as error:
        return [], [], [f"{label_of(*key)}, reference: {error}"]
    home_path = (files.get(BGPVS) or files[NUCLEI])[0]
    for method, predicted in of_methods.items():
        bg = pvs = volumes = None
        try:
            bg, pvs = read_prediction(predicted, home, home_path)
            volumes = read_tube_volumes(predicted, home, home_path)
            if pvs is None and reference.pvs is not None:
                raise BGPVSError(f"only {NUCLEI}, so that only its BG is scored.")
        except BGPVSError as error:
            problems.append(f"{label_of(*key)}, {method}: {error}")
        more_cases, more_tubes = score_case(reference, method, bg, pvs, volumes)
        cases += more_cases
        tubes += more_tubes
    return cases, tubes, problems


def _frame(rows: Rows, columns: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))
