"""What is true of the tubes of a growing infant: a row a tube and session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bgpvs_wf.phantom.growing.infant import GrowingInfant

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "tube": {"Description": "Number of the tube: the same in all sessions, as in desc-pvs_dseg"},
    "session_id": {"Description": "Session"},
    "tree": {"Description": "Number of the perivascular space: a tube with its branches"},
    "present": {"Description": "1 if it is there in this session, else 0"},
    "volume_mm3": {"Description": "Volume with its round ends; 0 if absent", "Units": "mm^3"},
    "diameter_mm": {"Description": "Mean diameter; n/a if absent", "Units": "mm"},
    "length_mm": {"Description": "Length of the centre line; n/a if absent", "Units": "mm"},
}
"""Columns of ``sub-X_tubes.tsv`` to what they mean."""


def lives_table(infant: GrowingInfant, sessions: Sequence[str]) -> pd.DataFrame:
    """Return a row for each tube and session, with the columns `COLUMNS`.

    Parameters
    ----------
    infant : GrowingInfant
    sessions : sequence of str
        Labels without ``ses-``.
    """
    import pandas as pd

    there = [
        dict(zip(numbers, one.tubes, strict=True))
        for one, numbers in zip(infant.sessions, infant.numbers, strict=True)
    ]
    rows = []
    for number in infant.lives:
        tree = next(tubes[number].tree for tubes in there if number in tubes)
        for label, tubes in zip(sessions, there, strict=True):
            tube = tubes.get(number)
            rows.append(
                {
                    "tube": number,
                    "session_id": f"ses-{label}",
                    "tree": tree,
                    "present": int(tube is not None),
                    "volume_mm3": 0.0 if tube is None else tube.volume_mm3,
                    "diameter_mm": None if tube is None else tube.diameter_mm,
                    "length_mm": None if tube is None else tube.length_mm,
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS)).round(4)
