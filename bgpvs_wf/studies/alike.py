"""What the results in an output folder were made with, as its ledger knows it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def made_with(output_dir: Path, label: str) -> dict[str, Any]:
    """Return what a subject and session was made with; nothing where no ledger has it.

    Parameters
    ----------
    output_dir : Path
    label : str
        ``sub-01`` or ``sub-01_ses-3m``.

    Returns
    -------
    dict
        As `bgpvs_wf.cohort.alike.what_differs` takes it.
    """
    from bgpvs_wf.cohort.alike import MODEL, VERSION
    from bgpvs_wf.engine.ledger import Ledger

    record = Ledger.of(output_dir).read(label)
    if record is None:
        return {}
    model = record.facts.get("model")
    return {
        VERSION: record.version,
        **({} if model is None else {MODEL: model}),
        **record.settings,
    }


def not_alike(output_dir: Path, who: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    """Say what some subjects and sessions were made with that is not the same in all.

    Parameters
    ----------
    output_dir : Path
    who : iterable of (str, str or None)
        Subject and session, labels without ``sub-`` and ``ses-``; each counts once.

    Returns
    -------
    tuple of str
        Sentences; see `bgpvs_wf.cohort.alike.what_differs`.
    """
    from bgpvs_wf.bids.inputs import SubjectInputs
    from bgpvs_wf.cohort.alike import what_differs

    labels = [SubjectInputs(subject=one, session=session).label for one, session in set(who)]
    return what_differs(made_with(output_dir, label) for label in labels)
