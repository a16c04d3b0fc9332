from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.reports.charts import bland_altman, metric_by_method, scatter_agreement
from bgpvs_wf.reports.detection_charts import detection_curve, detection_heatmap
from bgpvs_wf.reports.numbers import Interval

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "$x_1$ <script>&\x00\n\"'"


def texts(svg: str) -> list[str]:
    """What a reader reads; that it parses shows that it is XML by itself."""
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def cases(scores: dict[str, list[float]], metric: str = "dice") -> pd.DataFrame:
    rows = [
        {"subject": f"{i:02d}", "session": None, "method": method, "structure": "BG-PVS", metric: s}
        for method, values in scores.items()
        for i, s in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["subject", "session", "method", "structure", metric])


def draw_all() -> list[str]:
    a, b = [1.0, 2.0, 3.0, 5.0], [1.5, 2.0, 3.5, 4.0]
    names = list("abcd")
    return [
        bland_altman(a, b, names, title="PVS volume", unit="mm³"),
        scatter_agreement(a, b, names, title="PVS volume", unit="mm³"),
        metric_by_method(cases({"one": a, "two": b}), "dice", "BG-PVS"),
        detection_heatmap(bins(), "one"),
        detection_curve(tubes(), {"one": (0.7, 1.1)}),
    ]


def bins() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": "one",
            "diameter_low_mm": [0.0, 0.5, 0.5],
            "diameter_high_mm": [0.5, np.inf, np.inf],
            "voxel_mm": 0.8,
            "snr_low": [10.0, 10.0, np.nan],
            "snr_high": [20.0, 20.0, np.nan],
            "tubes": [40, 23, 7],
            "detected": [10, 23, 0],
            "rate": [0.25, 1.0, 0.0],
        }
    )


def tubes(method: str = "one") -> pd.DataFrame:
    diameters = np.linspace(0.4, 2.0, 40)
    return pd.DataFrame(
        {"method": method, "diameter_mm": diameters, "detected": (diameters > 0.8).astype(float)}
    )


def test_charts_are_the_same_every_time_and_leave_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    first = draw_all()
    assert first == draw_all()
    assert dict(matplotlib.rcParams) == before


def test_charts_stand_beside_each_other_and_refer_to_nothing_outside():
    charts = draw_all()
    for svg in charts:
        assert svg.startswith("<svg")
        assert "<style" not in svg
        assert "<image" not in svg
        assert set(re.findall(r'https?://[^"]+', svg)) == {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
        used = re.findall(r'(?:url\(|href=")#([^)"]+)', svg)
        assert set(used) == set(re.findall(r' id="([^"]+)"', svg))
    ids = re.findall(r' id="([^"]+)"', "".join(charts))
    assert len(ids) == len(set(ids))


def test_bland_altman_writes_bias_and_limits():
    differences = np.array([3.0, -1.0, 2.0, 0.0])
    reference = np.array([10.0, 20, 30, 40])
    svg = bland_altman(reference, reference + differences, list("abcd"), title="t", unit="mm³")
    spread = 1.96 * differences.std(ddof=1)
    shown = texts(svg)
    assert "bias 1.00" in shown
    assert f"+1.96 SD {1 + spread:.2f}" in shown
    assert f"−1.96 SD −{spread - 1:.2f}" in shown
    assert "Measured − reference (mm³)" in shown
    assert "Mean of measured and reference (mm³)" in shown


def test_bland_altman_names_who_is_outside_the_limits():
    reference = np.arange(20.0)
    measured = reference + 0.1 * (-1) ** np.arange(20)
    measured[7] += 5
    shown = texts(
        bland_altman(reference, measured, [f"s{i}" for i in range(20)], title="", unit="")
    )
    assert [text for text in shown if text.startswith("s")] == ["s7"]


def test_scatter_writes_agreement_and_how_many_pairs_there_were():
    svg = scatter_agreement(
        [1, 2, np.nan, 4],
        [1, 3, 3, 4],
        list("abcd"),
        title="t",
        unit="mm³",
        icc=Interval(0.961, 0.92, 0.984),
        pearson_r=Interval(0.97),
    )
    shown = texts(svg)
    assert "ICC(2,1) = 0.96 [0.92, 0.98]" in shown
    assert "r = 0.97, n = 3" in shown
    assert "b" in shown  # the farthest from identity


@pytest.mark.parametrize("values", [[], [2.0], [2.0, 2.0], [np.nan, np.nan]])
@pytest.mark.parametrize("chart", [bland_altman, scatter_agreement])
def test_agreement_of_hardly_anything(chart, values):
    shown = texts(chart(values, values, ["x"] * len(values), title="t", unit=""))
    pairs = np.isfinite(values).sum() if values else 0
    assert ("No case has both values." in shown) == (pairs == 0)
    assert not any("1.96" in text for text in shown)


def test_metric_writes_p_over_methods_with_the_proposed_first():
    table = cases({"other": [0.5, 0.6, 0.7], "mine": [0.7, 0.8, np.nan]})
    svg = metric_by_method(table, "dice", "BG-PVS", proposed="mine", p_holm={"other": 0.0123})
    shown = texts(svg)
    assert shown.index("mine") < shown.index("other")
    assert {"proposed", "p = 0.012", "Dice, BG-PVS"} <= set(shown)


def test_metric_has_its_unit_on_the_axis():
    table = cases({"mine": [1.5, 2.0]}, "hd95_mm")
    assert "HD95, BG-PVS (mm)" in texts(metric_by_method(table, "hd95_mm", "BG-PVS"))


@pytest.mark.parametrize("scores", [{}, {"mine": [np.nan]}])
def test_metric_of_nobody(scores):
    assert "No case has this score." in texts(metric_by_method(cases(scores), "dice", "BG-PVS"))


def test_lines_join_the_scores_of_a_case_only():
    table = cases({"a": [0.5, 0.6], "b": [0.7, 0.8]})
    paths = ET.fromstring(metric_by_method(table, "dice", "BG-PVS")).iter(f"{SVG}path")
    lines = [path.get("d") for path in paths if "#b9bec6" in (path.get("style") or "")]
    assert [line.count("L") for line in lines] == [1, 1]


def test_heatmap_writes_rate_and_number_in_every_cell_and_hatches_the_empty_ones():
    svg = detection_heatmap(bins(), "one")
    shown = texts(svg)
    for text in ("25 %", "n 40", "100 %", "n 23", "0 %", "n 7", "< 0.50", "≥ 0.50"):
        assert text in shown
    assert "0.80 mm, SNR 10–20" in shown
    assert "0.80 mm, SNR unknown" in shown
    assert svg.count("<pattern") == 1
    assert len([text for text in shown if text.startswith("n ")]) == 3  # of four cells


def test_curve_is_that_of_its_two_diameters():
    shown = texts(detection_curve(tubes(), {"one": (0.7, 1.1)}))
    assert "one: 50 % at 0.70 mm, 90 % at 1.10 mm" in shown
    assert {"True diameter of the PVS (mm)", "Found (%)"} <= set(shown)


def test_curve_leaves_out_what_was_not_reached():
    shown = texts(detection_curve(tubes("_one"), {"_one": (0.7, np.nan)}))
    assert "_one: 50 % at 0.70 mm" in shown
    assert "_one" in texts(detection_curve(tubes("_one"), {}))


@pytest.mark.parametrize("draw", [detection_heatmap, detection_curve])
def test_detection_without_tubes(draw):
    argument = {detection_heatmap: "one", detection_curve: {}}[draw]
    nothing = {detection_heatmap: bins(), detection_curve: tubes()}[draw].iloc[:0]
    assert "No true tube is known." in texts(draw(nothing, argument))


def test_names_are_shown_as_they_are_but_for_what_no_text_may_hold():
    shown = "$x_1$ <script>& \"'"
    table = cases({HOSTILE: [0.5, 0.6]})
    assert shown in texts(metric_by_method(table, "dice", "BG-PVS"))
    assert f"{shown}: 50 % at 0.70 mm, 90 % at 1.10 mm" in texts(
        detection_curve(tubes(HOSTILE), {HOSTILE: (0.7, 1.1)})
    )
    svg = bland_altman([1, 2], [2, 3], [HOSTILE] * 2, title=HOSTILE, unit="")
    assert shown in texts(svg)
    assert ET.fromstring(svg).get("aria-label") == shown
