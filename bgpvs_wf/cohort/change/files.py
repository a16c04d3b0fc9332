"""Files of an infant's sessions that change is told from, and those it is written to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bgpvs_wf.bids.derivatives import derivative_path
from bgpvs_wf.bids.inputs import LABEL, SubjectInputs

_PVS = "_desc-pvs_dseg.nii.gz"
_NAME = re.compile(rf"sub-(?P<subject>{LABEL})_ses-(?P<session>{LABEL}){re.escape(_PVS)}")


@dataclass(frozen=True)
class SessionFiles:
    """Results of a session of an infant."""

    subject: str
    session: str
    """Labels without ``sub-`` and ``ses-``."""
    age_weeks: float | None
    """Post-menstrual."""
    image: Path
    """Preprocessed T2w, or T1w where there is no T2w."""
    nuclei: Path
    pvs: Path
    objects: Path
    probability: Path | None
    """Of a PVS; None where no network told it."""

    @property
    def label(self) -> str:
        """``sub-X_ses-Y``."""
        return f"sub-{self.subject}_ses-{self.session}"


def find_sessions(
    output_dir: Path, age_of: Callable[[str], float | None]
) -> tuple[dict[str, list[SessionFiles]], list[str]]:
    """Find the infants with two or more sessions in a folder of results.

    Parameters
    ----------
    output_dir : Path
    age_of : callable
        ``sub-X_ses-Y`` to its post-menstrual age, weeks, or None.

    Returns
    -------
    infants : dict of str to list of SessionFiles
        Labels without ``sub-``; sessions by age, or by label where an age is not known.
    problems : list of str
        Sessions that lack a file, and which.
    """
    found: dict[str, list[SessionFiles]] = {}
    problems = []
    for path in sorted(output_dir.glob(f"sub-*/ses-*/anat/*{_PVS}")):
        who = _NAME.fullmatch(path.name)
        if who is None:
            continue
        label = f"sub-{who['subject']}_ses-{who['session']}"
        one = _files(output_dir, who["subject"], who["session"], age_of(label))
        missing = [p for p in (one.image, one.nuclei, one.objects) if not p.exists()]
        if missing:
            problems.append(f"{label}: there is no {missing[0]}; run it again.")
        else:
            found.setdefault(one.subject, []).append(one)
    infants = {name: _in_order(some) for name, some in found.items() if len(some) > 1}
    return infants, problems


def change_files(output_dir: Path, subject: str) -> dict[str, Path]:
    """Return where table, dictionary and page of an infant's change go, by these names.

    Parameters
    ----------
    output_dir : Path
    subject : str
        With ``sub-``.
    """
    stem = f"{subject}_desc-pvs_change"
    return {
        "table": output_dir / subject / f"{stem}.tsv",
        "dictionary": output_dir / subject / f"{stem}.json",
        "page": output_dir / f"{subject}_change.html",
    }


def _files(output_dir: Path, subject: str, session: str, age_weeks: float | None) -> SessionFiles:
    inputs = SubjectInputs(subject=subject, session=session)

    def place(desc: str, suffix: str, extension: str = ".nii.gz") -> Path:
        return derivative_path(output_dir, inputs, desc=desc, suffix=suffix, extension=extension)

    t2w = place("preproc", "T2w")
    probability = derivative_path(
        output_dir, inputs, label="PVS", suffix="probseg", extension=".nii.gz"
    )
    return SessionFiles(
        subject=subject,
        session=session,
        age_weeks=age_weeks,
        image=t2w if t2w.exists() else place("preproc", "T1w"),
        nuclei=place("nuclei", "dseg"),
        pvs=place("pvs", "dseg"),
        objects=place("pvs", "objects", ".tsv"),
        probability=probability if probability.exists() else None,
    )


def _in_order(sessions: list[SessionFiles]) -> list[SessionFiles]:
    if all(one.age_weeks is not None for one in sessions):
        return sorted(sessions, key=lambda one: (one.age_weeks or 0.0, one.session))
    # Numbers in labels by their size: 6m before 12m.
    parts = {one.session: re.split(r"(\d+)", one.session) for one in sessions}
    keys = {name: [(int(p) if p.isdigit() else 0, p) for p in some] for name, some in parts.items()}
    return sorted(sessions, key=lambda one: keys[one.session])
