"""The methods paragraph of a model, in words to copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bgpvs_wf.cohort.association.harmonising import LIBRARY
from bgpvs_wf.cohort.association.matrix_checks import ENOUGH
from bgpvs_wf.cohort.association.model import Model
from bgpvs_wf.cohort.association.rows import listed
from bgpvs_wf.cohort.association.telling.units import measured

_SOFTWARE = ("bgpvs-wf", "statsmodels", "patsy", "numpy", "scipy")
_COMBAT = "ComBat (Johnson, Li and Rabinovic 2007; Fortin et al. 2018)"


def methods_paragraph(models: Sequence[Model], refused: Mapping[str, str]) -> str:
    """Describe what was done, for a paper.

    Parameters
    ----------
    models : sequence of Model
        Of one formula, one at least; several are of regions.
    refused : mapping of str to str
        Region to why no model was fitted to it.
    """
    first = models[0]
    sentences = [
        f"{_outcome(first)} was modelled as {first.formula.text}, age in weeks after conception"
        f"{_of_regions(models)}.",
        *(_kind(kind) for kind in dict.fromkeys(m.fit.kind for m in models)),
        _harmonised(models),
        _groups(first),
        _levels(first),
        _correction(models),
        _left_out(first),
        f"No model was fitted for {listed(list(refused))}." if refused else "",
        _doubt(models),
        "Intervals are 95 %, tests two-sided. Models were fitted with "
        f"{listed([f'{name} {version}' for name, version in versions(first).items()], 9)}.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def versions(model: Model) -> dict[str, str]:
    """Return what the numbers of a model depend on, with its version."""
    from importlib import metadata

    from bgpvs_wf._version import __version__

    own = {"bgpvs-wf": __version__}
    used = (*_SOFTWARE[1:], *([LIBRARY] if model.harmonised else []))
    return own | {name: metadata.version(name) for name in used}


def _outcome(model: Model) -> str:
    known = measured(model.formula.outcome).what
    number = "number of " if known == "PVS" else ""
    named = f"{number}{known} ({model.formula.outcome})"
    return f"The {named} of the basal ganglia, both sides together,"


def _of_regions(models: Sequence[Model]) -> str:
    if len(models) == 1:
        return ""
    return f", for each of {len(models)} regions ({', '.join(m.region for m in models)})"


def _kind(kind: str) -> str:
    return {
        "least squares": "Models were fitted by least squares, with standard errors robust "
        "against unequal spread (HC3) and Student's t with n - k degrees of freedom.",
        "mixed": "Linear mixed models were fitted by restricted maximum likelihood; degrees of "
        "freedom are those within and between groups (Pinheiro and Bates 2000).",
        "negative binomial": "Counts were modelled by negative binomial regression (NB2, "
        "logarithm as link, dispersion estimated by maximum likelihood); exponentials of estimates "
        "are incidence-rate ratios.",
        "Poisson": "Where the negative binomial model did not converge, or counts spread no more "
        "than Poisson's, counts were modelled by Poisson regression with robust standard errors "
        "(HC1).",
        "GEE": "Counts were modelled by generalised estimating equations (Poisson's variance, "
        "logarithm as link, exchangeable correlation within groups) with standard errors corrected "
        "for few groups (Mancl and DeRouen 2001).",
    }[kind]


def _harmonised(models: Sequence[Model]) -> str:
    alike = models[0].harmonised
    if alike is None:
        return ""
    sites = listed([f"{name}, n = {count}" for name, count in alike.sites.items()], 20)
    together = list(
        dict.fromkeys(name for m in models if m.harmonised for name in m.harmonised.features)
    )
    how = (
        f"with empirical Bayes over {listed(together, 20)}"
        if len(together) > 1
        else "without empirical Bayes, as there is one measure only"
    )
    return (
        f"Before that the outcome was harmonised over {alike.column} ({sites}) by {_COMBAT}, "
        f"location and scale, {how}; the effects of the model's terms were kept. Intervals do not "
        "include that the differences between sites were estimated."
    )


def _groups(model: Model) -> str:
    if not model.groups:
        return ""
    count = model.rows[model.groups].nunique()
    how = "Correlation within" if model.fit.kind == "GEE" else "A random intercept for"
    return f"{how} each {model.groups} ({count}) was part of the model."


def _levels(model: Model) -> str:
    told = [
        f"{term.column} against {term.reference}"
        for term in model.design.terms
        if term.kind == "levels" and term.reference
    ]
    return f"Levels were compared with one of them: {listed(told)}." if told else ""


def _correction(models: Sequence[Model]) -> str:
    if len(models) < 2:
        return ""
    return (
        "For each term, p values were corrected over the regions for the false discovery rate "
        "(Benjamini and Hochberg 1995)."
    )


def _left_out(model: Model) -> str:
    used = f"{model.infants} infants"
    if len(model.rows) != model.infants:
        used += f" with {len(model.rows)} sessions"
    if not model.left_out:
        return f"All {used} had what the model needs."
    reasons: dict[str, int] = {}
    for one in model.left_out:
        reasons[one.why] = reasons.get(one.why, 0) + 1
    why = listed([f"{count} with {reason}" for reason, count in reasons.items()])
    return (
        f"Of {len(model.left_out) + len(model.rows)} scans, {why} were left out; {used} remained."
    )


def _doubt(models: Sequence[Model]) -> str:
    few = any(model.infants < ENOUGH * len(model.design.names) for model in models)
    return f"There were fewer than {ENOUGH} infants for each coefficient." if few else ""
