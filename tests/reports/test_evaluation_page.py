from __future__ import annotations

import dataclasses
import html
import html.parser
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from evaluation_toy import METHODS, png, toy_tables

from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.evaluation.cohort import tables_from_cases
from bgpvs_wf.evaluation.score_tables import MEASURES as REAL_MEASURES
from bgpvs_wf.evaluation.score_tables import TABLES, EvaluationTables
from bgpvs_wf.reports.evaluation_figures import pairs_of
from bgpvs_wf.reports.evaluation_page import write_evaluation_page
from bgpvs_wf.reports.evaluation_scores import score_table
from bgpvs_wf.reports.evaluation_tables import agreement_table, case_table
from bgpvs_wf.reports.measure_names import MEASURES
from bgpvs_wf.reports.validation_page import write_validation_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
NAN = (float("nan"),) * 3
HOSTILE = '../<script>alert(1)</script>&"$'


@pytest.fixture(scope="module")
def tables() -> EvaluationTables:
    return toy_tables(subjects=8)


@pytest.fixture(scope="module")
def folder(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation") / "new"
    path = write_evaluation_page(
        tables, folder, title="Held-out infants", settings={"detection": {"tolerance": 1}}
    )
    assert path == folder / "evaluation.html"
    return folder


@pytest.fixture(scope="module")
def page(folder) -> str:
    return (folder / "evaluation.html").read_text(encoding="utf-8")


def evaluated(tables: EvaluationTables, folder, title: str = "t") -> str:
    path = write_evaluation_page(tables, folder, title=title, settings={})
    return path.read_text(encoding="utf-8")


def validated(tables: EvaluationTables, folder, **changed) -> str:
    given = {
        "title": "Scanner B",
        "smallest": {"50 %": (0.742, 0.68, 0.81), "90 %": NAN},
        "notes": ["Simulated noise."],
        "pictures": [("sub-01", png())],
    }
    path = write_validation_page(tables, folder, **(given | changed))
    assert path == folder / "validation.html"
    return path.read_text(encoding="utf-8")


def said(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


class Resources(html.parser.HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attributes):
        named = ("src", "href", "xlink:href", "srcset", "action", "data")
        self.links += [v for k, v in attributes if k in named]
        self.ids += [v for k, v in attributes if k == "id"]


def parse(page: str) -> Resources:
    found = Resources()
    found.feed(page)
    return found


def test_pages_are_self_contained(page, tables, tmp_path):
    for text in (page, validated(tables, tmp_path)):
        found = parse(text)
        assert found.links
        assert all(re.match("#|data:image/png;base64,", link) for link in found.links)
        assert not re.search(r"url\((?!#)|@import", text)
        assert len(found.ids) == len(set(found.ids))


def test_page_is_the_same_every_time(tmp_path):
    tables = toy_tables(subjects=2, methods=METHODS[:1], tubes=False)
    assert evaluated(tables, tmp_path / "a") == evaluated(tables, tmp_path / "b")


def test_page_says_what_was_found(page, tables):
    text = said(page)
    assert "sub-31: no prediction of nnU-Net; not scored." in text
    assert "8 cases 3 methods proposed: bgpvs-wf" in text
    row = tables.summary.query(
        "method == 'bgpvs-wf' and structure == 'BG-PVS' and metric == 'dice'"
    )
    mean, sd = row["mean"].item(), row["sd"].item()
    assert f"Dice of PVS {mean:.3f} ± {sd:.3f}" in text
    assert "detection.tolerance 1" in text
    for section in ("Agreement with", "Comparison of", "Detection of", "Every case", "mean"):
        assert section in text


def test_every_figure_is_a_file_too(folder, page):
    files = sorted((folder / "figures").iterdir())
    for path in files:
        ET.fromstring(path.read_text(encoding="utf-8"))
    assert len(files) == page.count('<svg role="img"')
    assert "bland-altman_PVS-volume_nnU-Net.svg" in [path.name for path in files]
    assert not list(folder.rglob("*.tmp"))


def test_measures_are_those_of_the_evaluation(tables):
    assert tuple(MEASURES) == REAL_MEASURES
    assert set(tables.agreement["measure"]) == set(MEASURES)


@pytest.mark.parametrize(
    "degenerate",
    [
        {"subjects": 1, "methods": METHODS[:1], "tubes": False},
        {"subjects": 3, "methods": METHODS[:2], "empty_reference": True, "tubes": False},
        {"subjects": 0, "tubes": False},
    ],
    ids=["one", "no-pvs", "nobody"],
)
def test_pages_of_hardly_anything(degenerate, tmp_path):
    tables = toy_tables(**degenerate)
    text = said(evaluated(tables, tmp_path))
    assert ("No case could be scored." in text) == (degenerate["subjects"] == 0)
    assert "nan" not in text
    text = said(validated(tables, tmp_path, pictures=[], notes=[]))
    assert "No true PVS is known" in text
    assert "nan" not in text


def test_page_of_tables_without_a_row_and_of_missing_scores(tmp_path):
    tables = toy_tables(subjects=2, methods=METHODS[1:], tubes=False)
    empty = {name: pd.DataFrame(columns=list(columns)) for name, columns in TABLES.items()}
    assert "No case could be scored." in said(evaluated(EvaluationTables(**empty), tmp_path))
    cases = tables.cases.copy()
    scores = [name for name in cases if cases[name].dtype == float]
    cases.loc[cases["method"] == "nnU-Net", scores] = np.nan
    text = said(evaluated(dataclasses.replace(tables, cases=cases, proposed=""), tmp_path))
    assert "proposed" not in text.partition("Scores")[0]


def test_hostile_names_are_escaped_and_stay_in_their_folder(tmp_path):
    tables = toy_tables(subjects=2, methods=(HOSTILE, HOSTILE + ">"), proposed=HOSTILE)
    tables = dataclasses.replace(tables, problems=(HOSTILE,))
    folder = tmp_path / "page"
    pages = (
        evaluated(tables, folder, title=HOSTILE),
        validated(tables, folder, title=HOSTILE, notes=[HOSTILE], pictures=[(HOSTILE, png())]),
    )
    for page in pages:
        assert "<script>alert" not in page
        assert "<h1>../&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#34;$</h1>" in page
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
    # Two names that make the same file name are two files.
    assert len(list((folder / "figures").glob("*PVS-volume_script-alert*"))) == 4


def test_score_table_marks_the_best_and_counts_who_is_missing():
    rows = [("a", "dice", 0.7, 9), ("b", "dice", 0.8, 10), ("a", "hd95_mm", 1, 10)]
    rows += [("b", "hd95_mm", 2, 10)]
    summary = pd.DataFrame(rows, columns=["method", "metric", "mean", "n"])
    summary[["structure", "sd"]] = "BG-PVS", 0.1
    comparison = pd.DataFrame(
        [{"structure": "BG-PVS", "metric": "dice", "method": "a", "p_holm": 0.02}]
    )
    table = score_table(summary, comparison, "BG-PVS", "b")
    assert [method for method, _, _ in table.rows] == ["b", "a"]
    (_, _, (dice_b, hd_b)), (_, _, (dice_a, hd_a)) = table.rows
    assert (dice_b.text, dice_b.best, hd_b.best) == ("0.800 ± 0.100", True, False)
    assert (dice_a.note, dice_a.best, hd_a.best) == ("p = 0.020, n = 9", False, True)


def test_agreement_is_in_the_unit_that_is_named():
    frame = pd.DataFrame(
        [
            {
                "measure": "PVS fraction",
                "method": "m",
                "n": 9,
                "bias": 0.00012,
                "bias_low": 0.00004,
                "bias_high": 0.0002,
                "loa_low": -0.0031,
                "loa_high": 0.002,
            }
        ]
    )
    table = agreement_table(frame)
    row = {column.label: cell for column, cell in zip(table.columns, table.rows[0], strict=True)}
    assert row["Measure"].text == "PVS fraction, %"
    assert float(row["Bias"].value) == pytest.approx(0.012)
    assert row["Bias"].text == "0.012 [0.004, 0.020]"
    assert row["Limits of agreement"].text == "−0.310 to 0.200"
    assert row["r"].text == "–"


@pytest.mark.parametrize("known", [True, False], ids=["true volume", "reference only"])
@pytest.mark.parametrize("measure", MEASURES)
def test_charts_and_table_of_agreement_are_of_the_same_pairs(tables, measure, known):
    cases = tables.cases.copy()
    if not known:
        cases.loc[cases.index[1], "true_mm3"] = np.nan
    again = tables_from_cases(cases, tables.tubes.iloc[:0])
    pairs = pairs_of(cases, "nnU-Net", measure)
    row = again.agreement.query("method == 'nnU-Net' and measure == @measure").iloc[0]
    bias = (pairs["measured"] - pairs["reference"]).mean() / MEASURES[measure].scale
    assert (len(pairs), bias) == (row["n"], pytest.approx(row["bias"]))


def test_pairs_of_the_fraction_are_pvs_over_bg():
    cases = pd.DataFrame(
        {
            "subject": ["1", "1", "2", "2"],
            "session": ["a", "a", None, None],
            "method": "m",
            "structure": ["BG-PVS", "BG", "BG", "BG-PVS"],
            "reference_mm3": [5.0, 1000.0, 2000.0, 20.0],
            "predicted_mm3": [10.0, 1000.0, 0.0, 0.0],
            "predicted_tube_mm3": np.nan,
            "true_mm3": np.nan,
            "reference_count": 1,
            "predicted_count": 1,
        }
    )
    pairs = pairs_of(cases, "m", "PVS fraction")
    # A prediction without basal ganglia has no fraction.
    assert pairs.to_dict("records") == [{"label": "1 ses-a", "reference": 0.5, "measured": 1.0}]


def test_long_tables_of_cases_keep_the_worst():
    cases = pd.DataFrame({"subject": "x", "dice": np.linspace(1, 0, 2100)})
    table, left_out = case_table(cases)
    assert (len(table.rows), left_out) == (2000, 100)
    assert table.rows[-1][1].value == "0.0"


def test_validation_gives_its_answer_in_big_numbers(tables, tmp_path):
    text = said(validated(tables, tmp_path))
    assert "Smallest PVS diameter seen 50 % of the time 0.74 mm 95 % interval 0.68 to 0.81" in text
    assert "seen 90 % of the time not reached at no diameter" in text
    row = tables.agreement.query("method == 'bgpvs-wf' and measure == 'PVS volume'").iloc[0]
    low, high = row["bias_low"], row["bias_high"]
    assert f"Bias of PVS volume per scan +{row['bias']:.2f} mm³" in text
    assert f"95 % interval {low:.2f} to {high:.2f} mm³".replace("-", "−") in text
    assert "Bias of PVS count per scan" in text
    limits = f"limits of agreement {row['loa_low']:.2f} to {row['loa_high']:.2f}"
    assert limits.replace("-", "−") in text
    assert re.search(r"Dice of PVS 0\.\d\d ± 0\.\d\d, n = 8", text)
    assert "112 true PVS in 8 hybrids" in text
    assert "Simulated noise." in text


def test_validation_says_why_there_is_no_diameter(tables, tmp_path):
    smallest = tables.smallest[tables.smallest["voxel_mm"] == 0.8].copy()
    smallest["note"] = "all detected, from 0.45 mm up"
    noted = dataclasses.replace(tables, smallest=smallest)
    text = said(validated(noted, tmp_path))
    assert "seen 90 % of the time not known all detected, from 0.45 mm up" in text
    assert "0.68 to 0.81 mm; all detected" in text


def test_validation_takes_png_only(tables, tmp_path):
    with pytest.raises(BGPVSError, match="'sub-01' is no PNG"):
        validated(tables, tmp_path, pictures=[("sub-01", b"GIF89a")])
    assert not list(tmp_path.iterdir())


SCRIPT = """
const out = {}, table = document.querySelector("#cases table");
const heads = [...table.querySelectorAll("th")];
const at = heads.findIndex((head) => head.textContent.trim() === "Cluster F1");
const column = () => [...table.tBodies[0].rows].map((row) => row.cells[at].dataset.value);
heads[at].firstElementChild.click(); out.up = column();
heads[at].firstElementChild.click(); out.down = column();
out.wide = document.documentElement.scrollWidth <= innerWidth;
document.documentElement.setAttribute("data-result", JSON.stringify(out));
"""


def test_tables_are_sorted_in_a_narrow_browser(page, tables, tmp_path):
    if CHROMIUM is None:
        pytest.skip("chromium is not installed; the page's behaviour is not tested")
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", f"<script>{SCRIPT}</script></body>"), encoding="utf-8")
    profile = (f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,900")
    logged = ("--enable-logging=stderr", "--dump-dom", path.as_uri())
    call = [CHROMIUM, *FLAGS, *profile, *logged]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'data-result="([^"]+)"', done.stdout)
    assert found, done.stderr[-2000:]
    result = json.loads(html.unescape(found[1]))
    known = sorted(tables.cases["cluster_f1"].dropna())
    empty = [""] * (len(tables.cases) - len(known))
    assert [v and float(v) for v in result["up"]] == known + empty
    assert [v and float(v) for v in result["down"]] == known[::-1] + empty
    assert result["wide"]
    assert "CONSOLE" not in done.stderr
