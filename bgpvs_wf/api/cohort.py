"""What a cohort tells, once it is measured: what goes with PVS, centile curves, and change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bgpvs_wf.paths import PathLike, check_path
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    from bgpvs_wf.studies.association import Association
    from bgpvs_wf.studies.longitudinal import Changes
    from bgpvs_wf.studies.norms import CohortNorms


def associate(
    results: PathLike,
    formula: str,
    *,
    groups: str = "",
    each: str = "",
    family: str = "auto",
    harmonise: str = "",
    dataset: PathLike | None = None,
    out: PathLike | None = None,
    observer: Observer | None = None,
) -> Association:
    """Find out what goes with PVS in a cohort, as `bgpvs-wf associate` does.

    Parameters
    ----------
    results : path
        The output folder of a run.
    formula : str
        As ``pvs_volume ~ age + sex + bg_volume``; see docs/how-to/associating.md.
    groups : {'', 'subject', 'site'}
        What several rows are of; each then has a level of its own.
    each : {'', 'region'}
        A model of each region, or of the basal ganglia as a whole.
    family : {'auto', 'gaussian', 'negative-binomial'}
        `auto` takes `pvs_count` for a count.
    harmonise : {'', 'site'}
        Make the outcome alike over sites first, by ComBat; needs the extra `harmonise`.
    dataset : path, optional
        With ``participants.tsv``; default: the dataset that the results say they are of.
    out : path, optional
        Of tables and page; default: ``association`` in the results.
    observer : Observer, optional
    """
    from bgpvs_wf.studies.association import Question
    from bgpvs_wf.studies.association import associate as study

    question = Question(
        results=check_path(results, "results").absolute(),
        formula=formula,
        groups=groups,
        each=each,
        family=family,
        harmonise=harmonise,
        dataset=None if dataset is None else check_path(dataset, "dataset").absolute(),
        out=None if out is None else check_path(out, "out").absolute(),
    )
    return study(question, observer=observer)


def change(
    output_dir: PathLike,
    *,
    subjects: Sequence[str] = (),
    observer: Observer | None = None,
    **machine: Any,
) -> Changes:
    """Tell what became of each PVS between sessions of an infant, as `bgpvs-wf change` does.

    Parameters
    ----------
    output_dir : path
        The output folder of a run; tables and pages of change go there, too.
    subjects : sequence of str
        Labels, with or without ``sub-``; by default all who have two finished sessions or more.
    observer : Observer, optional
    **machine
        Settings of `RunConfig` that say where and how it runs: `nprocs`, `work_dir`, `plugin`, ...

    Returns
    -------
    Changes
        Whose page was written, and where (`written`); who is left out, and why (`problems`). An
        infant that fails stops no other.

    Raises
    ------
    UsageError
        If no infant has two finished sessions, or one that is asked for has not.
    """
    from bgpvs_wf.config import RunConfig
    from bgpvs_wf.studies.longitudinal import write_changes

    out = check_path(output_dir, "output_dir").absolute()
    config = RunConfig.from_mapping({**machine, "bids_dir": out, "output_dir": out})
    labels = [label.removeprefix("sub-") for label in subjects]
    return write_changes(config, subjects=labels, observer=observer)


def norms(
    results: PathLike,
    output: PathLike,
    *,
    dataset: PathLike | None = None,
    by: str | None = None,
    page: PathLike | None = None,
    marks: PathLike | None = None,
    seed: int = 0,
    observer: Observer | None = None,
) -> CohortNorms:
    """Make centile curves of a cohort, as `bgpvs-wf norms` does.

    Parameters
    ----------
    results : path
        Results of `run`, with the group level.
    output : path
        Where the norms go, JSON; a setting `norms` of other runs.
    dataset : path, optional
        Default: the dataset that the results say they are of.
    by : str, optional
        A column of the dataset, such as `sex`: each level has curves of its own.
    page : path, optional
        Where a page with the curves goes.
    marks : path, optional
        A table of published values that the page shows, too; see docs/how-to/growth.md.
    seed : int
        Of the resampling.
    observer : Observer, optional
    """
    from bgpvs_wf.studies.norms import make_cohort_norms

    return make_cohort_norms(
        check_path(results, "results"),
        check_path(output, "output"),
        dataset=None if dataset is None else check_path(dataset, "dataset"),
        by=by,
        page=None if page is None else check_path(page, "page"),
        marks=None if marks is None else check_path(marks, "marks"),
        seed=seed,
        observer=observer,
    )
