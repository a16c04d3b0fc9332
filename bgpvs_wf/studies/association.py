"""What goes with PVS in a cohort: models of its results by what the dataset tells of infants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.bids.folders import dataset_of
from bgpvs_wf.cohort.association.formula import Formula, read_formula
from bgpvs_wf.cohort.association.harmonising import LIBRARY
from bgpvs_wf.cohort.association.model import FAMILIES, GROUPS, Model, fit_region
from bgpvs_wf.cohort.association.rows import LeftOut, regions_of
from bgpvs_wf.cohort.association.sites import (
    HARMONISED_COLUMNS,
    SITE,
    SITE_COLUMNS,
    compare_sites,
)
from bgpvs_wf.cohort.association.telling.methods import methods_paragraph
from bgpvs_wf.cohort.association.telling.table import TERM_COLUMNS, terms_table
from bgpvs_wf.cohort.association.telling.words import sentences
from bgpvs_wf.cohort.table import WHOLE, read_cohort
from bgpvs_wf.errors import BGPVSError, UsageError, shown
from bgpvs_wf.studies.alike import not_alike
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "association"
EACH = ("region",)
HARMONISE = (SITE,)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a cohort."""

    results: Path
    """The output folder of a run."""
    formula: str
    groups: str = ""
    """What several rows are of: `subject`, `site`, or nothing."""
    each: str = ""
    """`region` for a model of each; empty for the basal ganglia as a whole."""
    family: str = "auto"
    harmonise: str = ""
    """`site` to make the outcome alike over sites first; empty to leave it as it was measured."""
    dataset: Path | None = None
    """The BIDS dataset; default: the one that the results say they are of."""
    out: Path | None = None
    """Where tables and page go; default: `association` in the results."""

    def __post_init__(self) -> None:
        for name, known in (
            ("groups", ("", *GROUPS)),
            ("each", ("", *EACH)),
            ("family", FAMILIES),
            ("harmonise", ("", *HARMONISE)),
        ):
            value = getattr(self, name)
            if value not in known:
                allowed = ", ".join(one for one in known if one)
                raise UsageError(f"{name} is {shown(value)}; choose from {allowed}.")


@dataclass(frozen=True, eq=False)
class Association:
    """What was found."""

    models: tuple[Model, ...]
    terms: pd.DataFrame
    """See `TERM_COLUMNS`."""
    sites: pd.DataFrame
    """See `SITE_COLUMNS`; no rows if there are no sites."""
    sentences: tuple[str, ...]
    methods: str
    doubts: tuple[str, ...]
    refused: dict[str, str]
    """Region to why no model was fitted to it."""
    page: Path

    @property
    def left_out(self) -> dict[str, tuple[LeftOut, ...]]:
        """Region to who is not in its model, and why."""
        return {model.region: model.left_out for model in self.models}


def associate(question: Question, *, observer: Observer | None = None) -> Association:
    """Fit what is asked for, and write tables and a page.

    Parameters
    ----------
    question : Question
    observer : Observer, optional

    Returns
    -------
    Association

    Raises
    ------
    UsageError
        If the formula is none, or names what is not there.
    BGPVSError
        If the model would give wrong numbers; see docs/how-to/associating.md.
    """
    observer = observer or Observer()
    for folder in (question.results, question.dataset):
        if folder is not None and not folder.is_dir():
            raise UsageError(f"There is no folder {folder}; correct the path.")
    dataset = question.dataset or dataset_of(question.results)
    if dataset is None:
        raise UsageError(
            f"The dataset of the results in {question.results} is not said, or not there any more; "
            "give --dataset."
        )
    table = read_cohort(question.results, dataset)
    formula = read_formula(question.formula, list(table.columns))
    for option in ("groups", "harmonise"):
        column = getattr(question, option)
        if column and column not in table.columns:
            raise UsageError(f"The dataset has no column {column}; leave --{option} out.")
    models, refused = _fit(table, formula, question, observer)
    terms = terms_table(models)
    sites, site_notes = _sites(table, models, question)
    said = [sentence for model in models for sentence in sentences(model, terms)]
    out = question.out or question.results / FOLDER
    who = zip(table["subject"], table["session"], strict=True)
    found = Association(
        tuple(models),
        terms,
        sites,
        tuple(said),
        methods_paragraph(models, refused),
        (*not_alike(question.results, who), *_doubts(models), *site_notes),
        refused,
        out / "association.html",
    )
    _write(found, question, out)
    return found


def _fit(
    table: pd.DataFrame, formula: Formula, question: Question, observer: Observer
) -> tuple[list[Model], dict[str, str]]:
    regions = regions_of(table, formula.outcome) if question.each else [WHOLE]
    models: list[Model] = []
    refused: dict[str, str] = {}
    for region in regions:
        observer.say(f"{region}: {formula.text}")
        try:
            models.append(
                fit_region(
                    table,
                    region,
                    formula,
                    groups=question.groups,
                    family=question.family,
                    over=question.harmonise,
                )
            )
        except UsageError:
            raise
        except BGPVSError as error:
            refused[region] = str(error)
    if not models:
        raise BGPVSError(next(iter(refused.values()), f"No region has {formula.outcome}."))
    return models, refused


def _sites(
    table: pd.DataFrame, models: list[Model], question: Question
) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd

    none = pd.DataFrame(columns=list(SITE_COLUMNS))
    if SITE not in table.columns or table[SITE].nunique() < 2:
        return none, []
    found = [compare_sites(table, model, question.family) for model in models]
    notes = list(dict.fromkeys(note for _, note in found if note))
    made = [frame for frame, _ in found if len(frame)]
    return (pd.concat(made, ignore_index=True) if made else none), notes


def _doubts(models: list[Model]) -> list[str]:
    """Return what is in doubt, once if it is so of every region."""
    told: dict[str, list[str]] = {}
    for model in models:
        for doubt in model.doubts:
            told.setdefault(doubt, []).append(model.region)
    return [
        doubt if len(regions) == len(models) else f"{', '.join(regions)}: {doubt}"
        for doubt, regions in told.items()
    ]


def _harmonisation(models: tuple[Model, ...]) -> dict[str, Any]:
    """Return what the files say of an outcome that was harmonised."""
    alike = {model.region: model.harmonised for model in models if model.harmonised is not None}
    if not alike:
        return {}
    from importlib import metadata

    return {
        "Harmonisation": {
            "Method": "ComBat, location and scale; effects of the model's terms are kept",
            "Software": f"{LIBRARY} {metadata.version(LIBRARY)}",
            "Regions": {
                region: {"Column": one.column, "Rows": one.sites, "Together": list(one.features)}
                for region, one in alike.items()
            },
        }
    }


def _write(found: Association, question: Question, out: Path) -> None:
    from bgpvs_wf.imaging.files import write_json
    from bgpvs_wf.quantification.columns import sidecar
    from bgpvs_wf.quantification.group import write_tsv
    from bgpvs_wf.reports.association.page import write_association_page

    for name, frame, columns in (
        ("association", found.terms, TERM_COLUMNS),
        ("association_sites", found.sites, SITE_COLUMNS | HARMONISED_COLUMNS),
    ):
        if name == "association" or len(frame):
            about = sidecar(frame.columns, columns)
            write_json(about | _harmonisation(found.models), out / f"{name}.json")
            write_tsv(frame, out / f"{name}.tsv")
    write_association_page(
        found.models,
        out,
        terms=found.terms,
        sites=found.sites,
        sentences=found.sentences,
        methods=found.methods,
        doubts=found.doubts,
        refused=found.refused,
    )
