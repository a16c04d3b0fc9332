"""What speaks against the matrix of a model: too few infants, terms that tell the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.cohort.association.design import Design, Term
from bgpvs_wf.cohort.association.fit import leverage_of
from bgpvs_wf.cohort.association.rows import listed
from bgpvs_wf.errors import BGPVSError

LEAST, ENOUGH = 5, 10
"""Infants for each coefficient: with fewer than the first a model is refused, below the second it
is in doubt. Ten is usual (Harrell, Regression Modeling Strategies, 2015, ch. 4.4, asks for 10 to
20); with five estimates are still right on average, but far from sure."""
_INFLATED = 10.0
"""Above it others explain a term so well that its own effect is hardly known (Kutner et al.,
Applied Linear Statistical Models, 2005, ch. 10.5)."""
_DEPENDENT = 1e-9
_ALONE = 1 - 1e-8


def check_matrix(design: Design, names: Sequence[str], infants: int) -> None:
    """Refuse a matrix that does not tell its coefficients.

    Parameters
    ----------
    design : Design
    names : sequence of str
        Whose row each is.
    infants : int
        How many there are; sessions of one count once.

    Raises
    ------
    BGPVSError
    """
    k = len(design.names)
    if infants < LEAST * k:
        raise BGPVSError(
            f"{infants} infants for {k} coefficients ({', '.join(design.names)}): {LEAST * k} "
            "are needed. Add infants, or take terms out."
        )
    dependent = _dependent_terms(design)
    if dependent:
        raise BGPVSError(
            f"{listed(dependent)} tell the same: each follows from the others. Take one out."
        )
    alone = np.flatnonzero(leverage_of(design.matrix) > _ALONE)
    if len(alone):
        raise BGPVSError(
            f"A coefficient rests on {names[alone[0]]} alone, the only one of a level; join it "
            "with another, or leave the column out."
        )


def doubts_about_matrix(design: Design, infants: int) -> Iterator[str]:
    """Yield what to keep in mind of a matrix, a line each."""
    k = len(design.names)
    if infants < ENOUGH * k:
        yield (
            f"{infants} infants for {k} coefficients: fewer than {ENOUGH} for each, so estimates "
            "are unsure and may look larger than they are."
        )
    for term, inflation in inflations(design):
        if inflation > _INFLATED:
            yield (
                f"Other terms tell nearly the same as {term.name} (variance inflation "
                f"{inflation:.0f}); its effect cannot be told from theirs."
            )


def inflations(design: Design) -> list[tuple[Term, float]]:
    """Return by how much the variance of each term is larger because of the others.

    Generalised variance inflation (Fox and Monette, J Am Stat Assoc 1992, doi
    10.1080/01621459.1992.10475190), to the power of 1 / columns, so that terms of several columns
    are beside those of one. Products are left out, as they are inflated by their parts.
    """
    parts = [t for t in design.terms if t.kind != "intercept" and ":" not in t.name]
    places = [place for term in parts for place in range(term.first, term.last)]
    if len(parts) < 2:
        return [(term, 1.0) for term in parts]
    found = np.corrcoef(design.matrix[:, places], rowvar=False)
    inflated = []
    for term in parts:
        own = np.array([term.first <= place < term.last for place in places])
        whole = np.linalg.slogdet(found)[1]
        inner, outer = (np.linalg.slogdet(found[np.ix_(a, a)])[1] for a in (own, ~own))
        inflated.append((term, float(np.exp((inner + outer - whole) / own.sum()))))
    return inflated


def _dependent_terms(design: Design) -> list[str]:
    """Return the terms of a combination of columns that is nothing; none if all are independent."""
    matrix = _scaled(design.matrix)
    _, sizes, directions = np.linalg.svd(matrix, full_matrices=False)
    if sizes[-1] > _DEPENDENT * sizes[0]:
        return []
    weights = np.abs(directions[-1])
    taking_part = np.flatnonzero(weights > 1e-6 * weights.max())
    terms = [t.name for t in design.terms if any(t.first <= p < t.last for p in taking_part)]
    return [name for name in terms if name != "Intercept"] or terms


def _scaled(matrix: Floats) -> Floats:
    size = np.sqrt((matrix**2).sum(axis=0))
    return matrix / np.where(size > 0, size, 1)
