"""Quality on the page of a cohort, and as its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.bids.derivatives import sidecar_path
from bgpvs_wf.cohort.advice import Reason
from bgpvs_wf.cohort.quality import AGE_COLUMNS
from bgpvs_wf.imaging.files import write_json
from bgpvs_wf.quality.measures import measures, quality_columns
from bgpvs_wf.quantification.columns import GROUP_COLUMNS
from bgpvs_wf.quantification.group import write_tsv
from bgpvs_wf.reports.group.rows import Column

if TYPE_CHECKING:
    import pandas as pd

_WHO = ("subject", "session", "age_weeks")
_SHOWN = ("t2w_snr", "t2w_fwhm_mm", "t2w_ripple_percent", "turn_deg", "bg_uncertainty")
_BESIDE = {
    "bg_volume_z": "BG beside others",
    "looked_age_weeks": "Looks like",
    "looked_age_surer": "Surer by",
}
_UNITS = {"percent": "%", "mm3": "mm³", "deg": "°", "week": "weeks"}


def page_columns() -> list[Column]:
    """Return the columns of the page that tell of quality."""
    columns = [
        Column(one.name, one.label, one.meaning, _unit(one.unit), shown=one.name in _SHOWN)
        for one in measures().values()
    ]
    return columns + [
        Column(name, label, about["Description"], _unit(about.get("Units", "")), shown=False)
        for (name, label), about in zip(_BESIDE.items(), AGE_COLUMNS.values(), strict=True)
    ]


def _unit(unit: str) -> str:
    return _UNITS.get(unit, unit)


def write_quality(
    quality: pd.DataFrame,
    advised: Sequence[tuple[str, tuple[Reason, ...]]],
    ratings: Sequence[str],
    path: Path,
    more: Mapping[str, Mapping[str, str]] | None = None,
    not_alike: Sequence[str] = (),
) -> Path:
    """Write the table of quality of a cohort, and its data dictionary beside it.

    Parameters
    ----------
    quality : DataFrame
        As `bgpvs_wf.cohort.quality.quality_of_cohort` gives it.
    advised : sequence of (str, tuple of Reason)
        For each of its rows, as `bgpvs_wf.cohort.advice.advise` gives it.
    ratings : sequence of str
        What a person said of each; empty for nothing.
    path : Path
    more : mapping of str to mapping, optional
        Data dictionary of further columns of `quality`.
    not_alike : sequence of str
        What its rows were made with that is not the same in all: told in the data dictionary, as
        `NotMadeAlike`.

    Raises
    ------
    BGPVSError
        If it cannot be written.
    """
    said = [" ".join(one.sentence for one in reasons) or None for _, reasons in advised]
    words: dict[str, Any] = {
        "advice": [advice for advice, _ in advised],
        "reasons": said,
        "rating": [rating or None for rating in ratings],
    }
    table = quality.assign(**words)
    order = [*_WHO, *words, *(name for name in quality.columns if name not in _WHO)]
    about = {name: dict(GROUP_COLUMNS[name]) for name in _WHO}
    about["advice"] = {"Description": "good, look (at the page) or bad"}
    about["reasons"] = {"Description": "What speaks against the result, in words"}
    about["rating"] = {"Description": "What a person said: keep, check or exclude"}
    about |= {**quality_columns(), **AGE_COLUMNS, **{k: dict(v) for k, v in (more or {}).items()}}
    told = {"NotMadeAlike": list(not_alike)} if not_alike else {}
    write_json(about | told, sidecar_path(path))
    return write_tsv(table[order], path)
