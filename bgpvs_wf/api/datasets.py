"""Datasets as a whole: their infants measured, and infants made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.config import BOTH_LEVELS, RunConfig
from bgpvs_wf.paths import PathLike, check_path
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    from bgpvs_wf.engine.summary import Report


def run(
    config: RunConfig, *, levels: Sequence[str] = BOTH_LEVELS, observer: Observer | None = None
) -> Report:
    """Measure the infants of a BIDS dataset, as `bgpvs-wf run` does: with all files that it writes.

    Who is finished is left alone; a failure stops nobody else.

    Parameters
    ----------
    config : RunConfig
    levels : sequence of str
        `participant`, `group`, or both.
    observer : Observer, optional

    Returns
    -------
    Report
        Who is done, failed (`outcomes`) or in doubt (`warnings`), and where results are. Where the
        table of all could not be written, `group_error` says why.

    Raises
    ------
    UsageError
        If a folder cannot be used, or a participant is unknown.
    """
    from bgpvs_wf.studies.cohort import run_cohort

    return run_cohort(config, levels=levels, observer=observer)


def simulate(
    out: PathLike,
    *,
    ages: Iterable[float | str],
    preset: str = "bcp",
    subjects: int | None = None,
    fill: tuple[float, float] | None = None,
    seed: int = 1,
    nprocs: int = 1,
) -> Path:
    """Make infants of known truth, a BIDS dataset, as `bgpvs-wf simulate` does.

    Parameters
    ----------
    out : path
    ages : iterable of float or str
        Weeks after conception; or text as ``"40w"``, ``"3m"`` from term. Taken in turn.
    preset : str
        How they are scanned: `dhcp`, `bcp` or `clinical`, or a file of a protocol.
    subjects : int, optional
        Default: one an age.
    fill : pair of float, optional
        Least and largest signal of the fluid in PVS, on its way from the nucleus (0) to a
        ventricle (1); each infant has about one of its own. Default: 0.75 to 1, as on the command
        line; that of real ones is 0.3 to 1.
    seed : int
    nprocs : int
        How many to make at a time.

    Returns
    -------
    Path
        The dataset; what is true of it is in ``derivatives/truth``.
    """
    from bgpvs_wf.anatomy.matching import parse_age
    from bgpvs_wf.phantom import simulate_dataset
    from bgpvs_wf.phantom.fill import FILL
    from bgpvs_wf.phantom.protocol import load_protocol
    from bgpvs_wf.settings import check_number, check_rising

    weeks = [parse_age(age) if isinstance(age, str) else float(age) for age in ages]
    bounds = [check_number(end, "fill", at_least=0.0, at_most=1.0) for end in fill or FILL]
    folder = check_path(out, "out").absolute()
    simulate_dataset(
        folder,
        n_subjects=len(weeks) if subjects is None else subjects,
        ages_weeks=weeks,
        seed=seed,
        protocol=load_protocol(preset),
        jobs=nprocs,
        fill=check_rising(bounds, "fill"),
    )
    return folder
