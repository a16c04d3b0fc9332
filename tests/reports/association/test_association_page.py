from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from chromium_page import run_in_page

from bgpvs_wf.cohort.association.formula import read_formula
from bgpvs_wf.cohort.association.model import fit_region
from bgpvs_wf.cohort.association.sites import compare_sites
from bgpvs_wf.cohort.association.telling.table import terms_table
from bgpvs_wf.cohort.association.telling.words import sentences
from bgpvs_wf.reports.association.page import write_association_page

HOSTILE = "<script>alert(1)</script>"


def cohort() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    age = rng.uniform(40, 90, 40)
    return pd.DataFrame(
        {
            "subject": pd.Series([f"{n:02d}" for n in range(40)], dtype=object),
            "session": pd.Series([None] * 40, dtype=object),
            "region": "BG",
            "side": "both",
            "age": age,
            "site": [HOSTILE, "b"] * 20,
            "pvs_volume": 0.2 * age + rng.normal(0, 2, 40),
            "pvs_count": rng.poisson(age / 10),
        }
    )


def written(folder, formula: str, **changed) -> str:
    table = cohort()
    model = fit_region(table, "BG", read_formula(formula, list(table.columns)))
    terms = terms_table([model])
    given = {
        "terms": terms,
        "sites": compare_sites(table, model, "auto")[0],
        "sentences": sentences(model, terms),
        "methods": "How it was done.",
        "doubts": (),
        "refused": {},
    }
    path = write_association_page([model], folder, **(given | changed))
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("formula", ["pvs_volume ~ age + site", "pvs_count ~ age + site"])
def test_the_page_opens_without_a_word_of_the_console(tmp_path, formula):
    page = written(tmp_path / "new", formula)
    script = "out.charts = document.querySelectorAll('figure svg').length;"
    found, console = run_in_page(page, script, tmp_path)
    assert console == []
    assert found["charts"] == len(list((tmp_path / "new" / "figures").glob("*.svg"))) >= 5
    assert HOSTILE not in page
    assert "How it was done." in page
    assert "A week of age goes with" in page


def test_what_is_in_doubt_or_refused_is_at_the_top(tmp_path):
    page = written(
        tmp_path, "pvs_volume ~ age", doubts=("Few infants.",), refused={"Putamen": "Too few."}
    )
    assert page.index("2 warnings") < page.index("What was found")
    assert "Putamen: no model. Too few." in page
