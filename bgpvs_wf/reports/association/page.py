"""The page of an association, for the authors of a paper."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bgpvs_wf.cohort.association.sites import SITE
from bgpvs_wf.cohort.association.telling.units import axis_label
from bgpvs_wf.cohort.association.telling.words import left_out_lines
from bgpvs_wf.reports.association.diagnostics import diagnostic_charts
from bgpvs_wf.reports.association.partial import partial_charts
from bgpvs_wf.reports.association.tables import effect_charts, site_charts, site_table, term_table
from bgpvs_wf.reports.evaluation_figures import Chart, Group
from bgpvs_wf.reports.page import render

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.cohort.association.model import Model


class Missing(NamedTuple):
    """Who is left out of the model of a region."""

    region: str
    lines: tuple[str, ...]


def write_association_page(
    models: Sequence[Model],
    folder: Path,
    *,
    terms: pd.DataFrame,
    sites: pd.DataFrame,
    sentences: Sequence[str],
    methods: str,
    doubts: Sequence[str],
    refused: Mapping[str, str],
) -> Path:
    """Write `association.html`, which needs nothing else, and its figures as `figures/*.svg`.

    Parameters
    ----------
    models : sequence of Model
        Of one formula, one at least.
    folder : Path
        Made if it is not there.
    terms, sites : DataFrame
        Tables of `bgpvs_wf.cohort.association`; that of sites may be without rows.
    sentences, doubts : sequence of str
    methods : str
    refused : mapping of str to str
        Region to why it has no model.

    Returns
    -------
    Path
        The page. Every file appears whole or not at all, the page last.
    """
    from bgpvs_wf.imaging.files import write_text

    effects = effect_charts(models, terms)
    groups = [_group(model, len(models) > 1) for model in models]
    compared = site_charts(models, sites)
    for chart in (*effects, *compared, *(c for g in groups for c in g.charts)):
        write_text(chart.svg, folder / "figures" / f"{chart.name}.svg")
    content: dict[str, Any] = {
        "title": f"What goes with {models[0].formula.outcome}",
        "facts": _facts(models),
        "warnings": [*doubts, *(f"{region}: no model. {why}" for region, why in refused.items())],
        "sentences": sentences,
        "terms": term_table(terms),
        "effects": effects,
        "groups": groups,
        "sites": site_table(sites),
        "harmonised": any(model.harmonised for model in models),
        "site_charts": compared,
        "outcome": axis_label(models[0].formula.outcome),
        "left_out": _left_out(models),
        "methods": methods,
    }
    return write_text(render("association.html", content), folder / "association.html")


def _group(model: Model, several: bool) -> Group:
    sites = list(map(str, model.rows[SITE])) if SITE in model.rows else []
    start = f"{model.region}-" if several else ""
    charts = [*partial_charts(model, sites), *diagnostic_charts(model, sites)]
    return Group(
        f"{model.region}: {len(model.rows)} rows, {model.fit.kind}",
        tuple(Chart(re.sub(r"[^A-Za-z0-9_-]+", "-", start + name), svg) for name, svg in charts),
    )


def _facts(models: Sequence[Model]) -> list[str]:
    first = models[0]
    kinds = dict.fromkeys(model.fit.kind for model in models)
    facts = [first.formula.text, f"{max(model.infants for model in models)} infants"]
    if len(models) > 1:
        facts.append(f"{len(models)} regions")
    if first.groups:
        facts.append(f"groups: {first.groups}")
    if first.harmonised:
        facts.append(f"harmonised over {first.harmonised.column}")
    facts.append(", ".join(kinds))
    return facts


def _left_out(models: Sequence[Model]) -> list[Missing]:
    """Return who is left out, once if it is the same in all regions."""
    found = [Missing(model.region, tuple(left_out_lines(model))) for model in models]
    if len({one.lines for one in found}) == 1:
        found = [Missing("", found[0].lines)]
    return [one for one in found if one.lines]
