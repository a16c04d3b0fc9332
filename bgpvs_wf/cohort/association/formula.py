"""Formulas of models, checked before anything in them is evaluated.

Patsy runs what stands in a formula as Python. So a formula is read here first, and only columns,
numbers, signs and a few functions pass; what passes is what patsy is given.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bgpvs_wf.cohort.association.grammar import (
    FUNCTIONS,
    OUTCOME_FUNCTIONS,
    check_terms,
    used_names,
)
from bgpvs_wf.errors import UsageError, shown
from bgpvs_wf.quantification.columns import GROUP_COLUMNS

_LONGEST = 500
_SHOWN = 12
"""Columns that are named where one is not there."""
_WHICH = frozenset({"subject", "session", "index", "name", "region", "side"})
"""Columns that say what a row is of, which explain nothing."""
_SIGNS = frozenset({"**", *"+-*/:()[],=~."})
_KINDS = {
    *(tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP),
    *(tokenize.NEWLINE, tokenize.ENDMARKER),
}
_TIGHT, _OPEN = frozenset({"**", *")],=:"}), frozenset({"**", *"([=:,"})
_MODULES = ("np", "numpy")


@dataclass(frozen=True)
class Formula:
    """A formula in which nothing stands that may not be evaluated."""

    outcome: str
    """The column that is explained."""
    outcome_function: str
    """Taken of it: `log`, `sqrt`, or empty."""
    right: str
    """What explains it, for patsy."""
    predictors: tuple[str, ...]
    """The columns on the right, in their order."""

    @property
    def left(self) -> str:
        """The outcome as it is written in the formula."""
        return f"{self.outcome_function}({self.outcome})" if self.outcome_function else self.outcome

    @property
    def text(self) -> str:
        """The whole formula."""
        return f"{self.left} ~ {self.right}"

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are used."""
        return (self.outcome, *self.predictors)


def read_formula(text: str, columns: Collection[str]) -> Formula:
    """Read a formula of a model, and refuse what may not stand in one.

    Parameters
    ----------
    text : str
        As ``log(pvs_volume) ~ age + C(site) + age:sex``: a column to explain, and columns that
        explain it, tied by ``+ - : * /`` and ``**``; of both, functions of `FUNCTIONS`.
        ``np.log`` is read as ``log``.
    columns : collection of str
        Those of the table.

    Raises
    ------
    UsageError
        If it is no formula, or names what is no column and none of these functions.

    Examples
    --------
    >>> read_formula("np.log(pvs_volume) ~ age*sex", ["age", "sex", "pvs_volume"])
    Formula(outcome='pvs_volume', outcome_function='log', right='age * sex',
            predictors=('age', 'sex'))
    """
    words = _words(text)
    if words.count("~") != 1:
        raise UsageError(
            f"The formula {shown(text)} has to have one ~: outcome ~ what explains it, as "
            "pvs_volume ~ age + sex."
        )
    at = words.index("~")
    left, right = _tree(words[:at], text), _tree(words[at + 1 :], text)
    outcome, function = _outcome(left)
    check_terms(right)
    predictors = tuple(dict.fromkeys(used_names(right)))
    if not predictors:
        raise UsageError("Right of ~ there has to be a column that explains the outcome.")
    check_columns((outcome, *predictors), columns)
    if called := [name for name in predictors if name in FUNCTIONS]:
        raise UsageError(f"The column {called[0]} has the name of a function; rename it.")
    if outcome in predictors:
        raise UsageError(f"{outcome} stands on both sides of the formula; take it from the right.")
    return Formula(outcome, function, _joined(words[at + 1 :]), predictors)


def _joined(words: list[str]) -> str:
    """Return words as people write them: blanks around sums and products only."""
    text = ""
    for before, word in zip(["", *words], words, strict=False):
        close = word in _TIGHT or before in _OPEN or (word == "(" and before.isidentifier())
        text += word if close or not text else f" {word}"
        text += " " if word == "," else ""
    return text


def check_columns(names: Iterable[str], columns: Collection[str]) -> None:
    """Refuse names that are no columns, with the nearest that is one, and what there is.

    Raises
    ------
    UsageError
    """
    import difflib

    for name in names:
        if name not in columns:
            close = difflib.get_close_matches(name, sorted(columns), n=1, cutoff=0.5)
            asked = f"; did you mean {close[0]}?" if close else "."
            raise UsageError(f"There is no column {name}{asked} {_known(columns)}")


def _known(columns: Collection[str]) -> str:
    """Return which columns there are, those first that are not measures of regions."""
    known = sorted(
        (name for name in columns if name not in _WHICH), key=lambda name: name in GROUP_COLUMNS
    )
    more = len(known) - _SHOWN
    named = ", ".join(known[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return (
        f"There are {named}. Columns of your own come from participants.tsv and sessions.tsv of "
        "the dataset."
    )


def _words(text: str) -> list[str]:
    """Return the words and signs of a formula, none of which can do harm alone."""
    if not isinstance(text, str) or not text.strip():
        raise UsageError("The formula is empty; give one as pvs_volume ~ age + sex.")
    if len(text) > _LONGEST or not text.isprintable():
        raise UsageError(f"The formula {shown(text)} is too long, or has more than one line.")
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text.strip()).readline))
    except (tokenize.TokenError, SyntaxError) as error:
        raise UsageError(
            f"The formula {shown(text)} cannot be read; see docs/how-to/associating.md."
        ) from error
    words = [_checked(token, text) for token in tokens if token.string]
    return _without_modules(words, text)


def _checked(token: tokenize.TokenInfo, text: str) -> str:
    word = token.string
    known = token.type in _KINDS and (token.type != tokenize.OP or word in _SIGNS)
    if token.type == tokenize.STRING:
        # No f-strings, which hold code; no escapes, and no quotes in three.
        known = word[0] in "'\"" and "\\" not in word and word[:3] not in ("'''", '"""')
    if token.type == tokenize.NAME:
        known = not word.startswith("_")
    if not known:
        raise UsageError(f"The formula {shown(text)} may not have {shown(word)} in it.")
    return word


def _without_modules(words: list[str], text: str) -> list[str]:
    """Take ``np.`` from before functions that are known; a dot anywhere else is refused."""
    kept: list[str] = []
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == "." and after in OUTCOME_FUNCTIONS and kept and kept[-1] in _MODULES:
            kept.pop()
            continue
        if word == ".":
            raise UsageError(
                f"The formula {shown(text)} may not have a dot in it; there are the functions "
                f"{', '.join(FUNCTIONS)}."
            )
        kept.append(word)
    return kept


def _tree(words: list[str], text: str) -> ast.expr:
    """Return one side as Python reads it; `:` has to be another sign for that."""
    try:
        side = " ".join("@" if word == ":" else word for word in words)
        return ast.parse(side, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"The formula {shown(text)} cannot be read; write it as pvs_volume ~ age + sex."
        ) from error


def _outcome(tree: ast.expr) -> tuple[str, str]:
    """Return the column on the left, and the function that is taken of it."""
    if isinstance(tree, ast.Name):
        return tree.id, ""
    if (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Name)
        and tree.func.id in OUTCOME_FUNCTIONS
        and len(tree.args) == 1
        and isinstance(tree.args[0], ast.Name)
        and not tree.keywords
    ):
        return tree.args[0].id, tree.func.id
    raise UsageError(
        "Left of ~ there has to be one column, or log or sqrt of one, as log(pvs_volume)."
    )
