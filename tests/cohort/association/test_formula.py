"""A formula is run as Python by patsy: nothing may pass that could do more than name columns."""

from __future__ import annotations

import pytest

from bgpvs_wf.cohort.association.formula import read_formula
from bgpvs_wf.errors import UsageError

COLUMNS = ["y", "age", "sex", "site", "bg"]


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ age + sex",
        "np.log(y) ~ bs(age, df=3) * sex + C(site, Treatment('b'))",
        "sqrt(y) ~ cr(age, df=3) + center(bg) + standardize(bg) + I(age**2 / 10)",
        "y ~ (age + sex)**2 - age:sex",
        "numpy.sqrt(y) ~ bs(age, knots=[50, 60], degree=2)",
    ],
)
def test_what_is_meant_by_a_formula_passes(formula):
    assert read_formula(formula, COLUMNS).outcome == "y"


@pytest.mark.parametrize(
    "right",
    [
        "__import__('os').system('x')",
        "age.real",
        "age.__class__",
        "np.linalg.inv(age)",
        "np.log(age).real",
        "(lambda: 1)()",
        "lambda: age",
        "age[0]",
        "age[1:2]",
        "I(age[0:1])",
        "open('x')",
        "eval('1')",
        "exec('1')",
        "getattr(age, 'x')",
        "Q('age')",
        "I(eval('age'))",
        "C(age, eval('1'))",
        "C(eval('1'))",
        "I(age)(1)",
        "bs(age)(1)",
        "f'{age}'",
        "log(f'{open(1)}')",
        "age; import os",
        "I(age := 3)",
        "I((age, age))",
        "I([age for age in age])",
        "I(x for x in age)",
        "I({'a': age})",
        "age if sex else age",
        "age and sex",
        "not age",
        "age @ sex",
        "age < 3",
        "*age",
        "log(*age)",
        "log(**age)",
        "log(age, out=age)",
        "await age",
        "yield age",
        "_age",
        "age # comment",
        "age\nimport os",
        "age\\\n",
        "'''x'''",
        "b'x'",
        "log(True)",
        "$age",
        "`age`",
        "\x00",
        "(" * 240 + "age" + ")" * 240,
    ],
)
def test_what_is_no_formula_is_refused_before_it_is_run(right, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        read_formula(f"y ~ {right}", [*COLUMNS, "_age"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "right",
    [
        "I(9**9**9)",
        "I(((age**9)**9)**9)",
        "I(age**9999)",
        "bs(age, df=10000000)",
        "bs(age, degree=1e9)",
        "age*sex*site*bg*age*sex*site*bg",
        "(age + sex)**40",
    ],
)
def test_what_would_fill_memory_is_refused(right):
    with pytest.raises(UsageError):
        read_formula(f"y ~ {right}", COLUMNS)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("y ~ agee", "did you mean age?"),
        ("volume ~ age", "no column volume"),
        ("y", "one ~"),
        ("y ~ age ~ sex", "one ~"),
        ("", "empty"),
        ("y ~", "cannot be read"),
        ("y ~ 1", "a column that explains"),
        ("y ~ age - 1", "takes the constant away"),
        ("y ~ age**2", r"write I\(age\*\*2\)"),
        ("y ~ y + age", "both sides"),
        ("y + age ~ sex", "Left of ~"),
        ("center(y) ~ sex", "Left of ~"),
        ("y ~ log", "no column log"),
    ],
)
def test_slips_are_told_in_a_line(formula, message):
    with pytest.raises(UsageError, match=message):
        read_formula(formula, COLUMNS)


def test_a_column_may_not_hide_a_function():
    with pytest.raises(UsageError, match="name of a function"):
        read_formula("y ~ center + center(age)", [*COLUMNS, "center"])
