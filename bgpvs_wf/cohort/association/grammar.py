"""What may stand right of the ``~`` of a formula: walked through as a tree, before it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bgpvs_wf.errors import UsageError

OUTCOME_FUNCTIONS = ("log", "sqrt")
FUNCTIONS = (*OUTCOME_FUNCTIONS, "center", "standardize", "bs", "cr", "C", "I", "Treatment")
"""All that may be called: of numpy and of patsy."""
_OPTIONS = ("df", "degree", "knots", "reference")
_MOST = 20
"""Of what options say; splines have no more pieces, and powers in `I` no larger exponent."""
_MOST_PRODUCTS = 6
"""`*`, `/` and `**` between terms, each of which doubles how many there are."""
_BETWEEN = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.MatMult, ast.Pow)
_INSIDE = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


def check_terms(tree: ast.expr) -> None:
    """Refuse all but terms of columns and known functions.

    Parameters
    ----------
    tree : ast.expr
        The right side; ``@`` stands for ``:``.

    Raises
    ------
    UsageError
    """
    products = sum(isinstance(one, ast.Mult | ast.Div | ast.Pow) for one in ast.walk(tree))
    if products > _MOST_PRODUCTS:
        raise UsageError("The formula has too many products of terms; name those you mean.")
    _check_between(tree)


def used_names(tree: ast.expr) -> Iterator[str]:
    """Yield the names that are columns: those that are not called."""
    if isinstance(tree, ast.Name):
        if tree.id != "Treatment":
            yield tree.id
        return
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.keyword):
            continue
        if isinstance(tree, ast.Call) and child is tree.func:
            continue
        if isinstance(child, ast.expr):
            yield from used_names(child)


def _check_between(node: ast.expr) -> None:
    """Check what ties terms."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        _check_power_of_terms(node)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, _BETWEEN):
        _check_between(node.left)
        _check_between(node.right)
    elif isinstance(node, ast.Constant) and node.value == 1 and type(node.value) is int:
        return
    elif isinstance(node, ast.Constant | ast.UnaryOp):
        raise UsageError(
            "The formula has a number between its terms; the constant is always in the model, and "
            "what is reckoned has to stand in I(), as I(age / 10)."
        )
    elif isinstance(node, ast.Call):
        _check_call(node)
    elif not isinstance(node, ast.Name):
        _refuse(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _is_one(node.right):
        raise UsageError("The formula takes the constant away (- 1); a model here always has one.")


def _check_power_of_terms(node: ast.BinOp) -> None:
    if isinstance(node.left, ast.Name | ast.Call):
        name = ast.unparse(node.left)
        raise UsageError(f"{name}**2 is no more than {name} in a formula; write I({name}**2).")
    if not (isinstance(node.right, ast.Constant) and node.right.value in (1, 2, 3)):
        raise UsageError("Terms in brackets can be taken to the power of 2 or 3 only.")
    _check_between(node.left)


def _check_call(node: ast.Call) -> None:
    """Check a function, what it is taken of, and its options."""
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS[:-1]:
        raise UsageError(
            f"The formula may not call {ast.unparse(node.func)}; there are "
            f"{', '.join(FUNCTIONS[:-1])}."
        )
    name = node.func.id
    if not node.args or len(node.args) > (2 if name == "C" else 1):
        raise UsageError(f"{name}() takes one column; options are named, as bs(age, df=3).")
    if name == "C":
        if not isinstance(node.args[0], ast.Name):
            raise UsageError("C() takes one column, as C(site).")
        if len(node.args) == 2:
            _check_treatment(node.args[1])
    _check_inside(node.args[0])
    if not any(True for _ in used_names(node.args[0])):
        raise UsageError(f"{name}() has no column in it.")
    for option in node.keywords:
        _check_option(option)


def _check_inside(node: ast.expr) -> None:
    """Check what a function is taken of."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        # Powers of powers of numbers alone would fill the memory.
        nested = any(isinstance(one, ast.Pow) for one in ast.walk(node.left))
        if nested or not _is_number(node.right) or not any(True for _ in used_names(node.left)):
            raise UsageError("A power is of a column, by a number up to 20, as I(age**2).")
        _check_inside(node.left)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, _INSIDE):
        _check_inside(node.left)
        _check_inside(node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        _check_inside(node.operand)
    elif isinstance(node, ast.Call):
        _check_call(node)
    elif not isinstance(node, ast.Name) and not _is_number(node, most=float("inf")):
        _refuse(node)


def _check_option(option: ast.keyword) -> None:
    value = option.value
    if option.arg not in _OPTIONS:
        raise UsageError(
            f"The formula has the option {option.arg}; there are {', '.join(_OPTIONS)}."
        )
    if option.arg == "knots":
        known = isinstance(value, ast.List) and all(
            _is_number(one, most=float("inf")) for one in value.elts
        )
    else:
        known = _is_number(value) or (option.arg == "reference" and _is_text(value))
    if not known:
        raise UsageError(
            f"The option {option.arg} of the formula has to be a number up to {_MOST}."
        )


def _check_treatment(node: ast.expr) -> None:
    """Check the level that others are compared with, ``Treatment('A')``."""
    known = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Treatment"
        and len(node.args) + len(node.keywords) == 1
        and all(_is_text(one) or _is_number(one, most=float("inf")) for one in node.args)
    )
    if not known:
        raise UsageError("C() takes a column, and the level to compare with: Treatment('A').")
    assert isinstance(node, ast.Call)
    for option in node.keywords:
        _check_option(option)


def _is_number(node: ast.expr, most: float = _MOST) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def _is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _refuse(node: ast.expr) -> None:
    raise UsageError(
        f"The formula may not have {ast.unparse(node)!r} in it: columns, numbers, "
        f"{', '.join(FUNCTIONS[:-1])} only."
    )
