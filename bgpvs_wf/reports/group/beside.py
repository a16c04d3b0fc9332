"""What norms add to the group level: centiles in its table and on its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bgpvs_wf.cohort.growth.standing import DOUBTS, about_centiles, centile_column, centiles_of
from bgpvs_wf.reports.group.rows import Column

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.cohort.growth.norms import Norms
    from bgpvs_wf.cohort.growth.standing import Who

_LABELS = {
    "bg_volume": "BG centile",
    "pvs_volume": "PVS volume centile",
    "pvs_fraction": "PVS share centile",
    "pvs_count": "PVS count centile",
}
_SHOWN = ("bg_volume", "pvs_volume")
"""In the table of the page at first."""


@dataclass(frozen=True)
class Beside:
    """Infants beside norms."""

    table: pd.DataFrame
    """As `bgpvs_wf.cohort.growth.standing.centiles_of` gives it; no columns without norms."""
    columns: tuple[Column, ...] = ()
    """Of the page."""
    about: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Data dictionary."""
    warnings: tuple[str, ...] = ()
    """Sentences for the page."""

    @classmethod
    def of(
        cls,
        norms: Norms | None,
        table: pd.DataFrame,
        quality: pd.DataFrame,
        levels: Mapping[Who, str],
    ) -> Beside:
        """Return what norms say of a cohort.

        Parameters
        ----------
        norms : Norms, optional
            Without them there is nothing beside.
        table : DataFrame
            Of regions, of all.
        quality : DataFrame
            `subject`, `session` and `voxel_mm3`, a row each.
        levels : mapping
            As of `bgpvs_wf.cohort.growth.standing.centiles_of`.
        """
        if norms is None:
            return cls(quality[[]])
        sessions = [one if isinstance(one, str) else None for one in quality["session"]]
        found = centiles_of(
            norms,
            table,
            list(zip(quality["subject"].tolist(), sessions, strict=True)),
            levels=levels,
            voxels_mm3=quality["voxel_mm3"].astype(float).tolist(),
        )
        about = about_centiles(norms)
        return cls(found, _columns(norms, about), about, _warnings(norms, found[DOUBTS]))

    @property
    def centiles(self) -> pd.DataFrame:
        """Only the numbers."""
        return self.table[[name for name in self.table.columns if name != DOUBTS]]

    def joined(self, quality: pd.DataFrame) -> pd.DataFrame:
        """Return a table of quality with these columns behind its own."""
        return quality.assign(**{str(name): self.table[name] for name in self.table.columns})


def _columns(norms: Norms, about: Mapping[str, Mapping[str, str]]) -> tuple[Column, ...]:
    return tuple(
        Column(
            centile_column(one.measure.name),
            _LABELS.get(one.measure.name, f"{one.measure.label}, centile"),
            about[centile_column(one.measure.name)]["Description"],
            "%",
            section="results",
            shown=one.measure.name in _SHOWN,
        )
        for one in norms.measures
        if one.curves
    )


def _warnings(norms: Norms, doubts: pd.Series) -> tuple[str, ...]:
    known = doubts.dropna()
    if known.empty:
        return ()
    said, count = known.value_counts().index[0], len(known)
    return (
        f"Of {count} of {len(doubts)} scans the norms of {norms.dataset} say nothing, or not "
        f"surely; {DOUBTS} in group_qc.tsv says why. Most often: {said}",
    )
