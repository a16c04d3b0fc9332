from __future__ import annotations

import dataclasses

import pytest
from cohort_toy import toy_columns, toy_rows, write_figures
from small_cohort import browse, order

from bgpvs_wf.reports.group.rows import Column, Row

TABLE = """
out.start = labels();
sort("label"); out.label = labels(); sort("label"); out.labelDown = labels();
out.said = $('th[data-field="label"]').getAttribute("aria-sort");
sort(0); out.up = labels(); sort(0); out.down = labels();
sort("age"); out.age = labels();
out.volumes = $$("tr[data-row]").map((row) => row.cells[5].textContent);
out.marked = $$("td.named").map((cell) => cell.textContent);
out.noChosen = $$("tr[data-row]")[0].cells.length;
const choose = $$("#chooser input");
choose[2].click(); out.oneMore = $$("tr[data-row]")[0].cells.length;
choose[0].click(); out.heads = $$("#table thead th").map((th) => th.textContent);
$$("#chooser button")[0].click();
sort("label");
type("#words", "NOISY"); out.reason = [labels(), count()];
type("#words", "sub ses-3m"); out.words = labels();
type("#words", "t1w ok"); out.note = labels();
type("#words", "check"); out.rated = labels();
type("#words", "nobody"); out.nobody = [labels(), $("#table .none").textContent];
type("#words", "");
$("#measure").value = "0"; $("#measure").dispatchEvent(new Event("change"));
type("#low", "11000"); type("#high", "14000"); out.range = [labels(), $("#ranges").textContent];
$("#measure").value = "age"; $("#measure").dispatchEvent(new Event("change"));
type("#high", "60"); out.both = labels();
out.faint = $$(".chart:first-child .dot.faint").length;
out.chips = $$("[data-advice] b").map((b) => b.textContent);
$$("#ranges button")[0].click(); out.one = [labels(), $("#high").value];
$("#everything").click(); out.all = count();
$('[data-advice="bad"]').click(); $('[data-advice="look"]').click(); out.advice = labels();
$("#everything").click();
$('[data-rating="check"]').click(); out.rating = labels(); $("#everything").click();
out.pressed = $$(".chips [aria-pressed=true]").length;
out.dots = $$(".chart").map((chart) => chart.querySelectorAll(".dot").length);
const dot = $('.chart [data-dot="4"]').getBoundingClientRect();
$(".chart svg").dispatchEvent(new MouseEvent("click",
  {clientX: dot.x + dot.width / 2, clientY: dot.y + dot.height / 2}));
out.clicked = [$("tr[aria-selected=true] .thumb").ariaLabel, $(".chart output").textContent];
$(".chart svg").focus(); press("ArrowLeft");
out.leftOf = $(".chart output").textContent;
const active = $(".chart svg").getAttribute("aria-activedescendant");
out.pointed = document.getElementById(active).ariaLabel;
const picker = $(".chart select"); picker.value = "2"; picker.dispatchEvent(new Event("change"));
out.strip = [$(".chart svg").getAttribute("aria-label"), $$(".chart:first-child .median").length];
out.shapes = new Set($$(".chart:last-child .dot").map((d) => d.getAttribute("d"))).size;
out.wide = document.documentElement.scrollWidth <= innerWidth;
"""


@pytest.fixture(scope="module")
def tabled(tmp_path_factory):
    return browse(TABLE, tmp_path_factory.mktemp("table"))


def test_browser_reports_no_error_of_the_table(tabled):
    assert tabled[1] == []


def test_page_starts_with_the_worst(tabled):
    assert tabled[0]["start"] == order(6, 3, 2, 4, 5, 10)


def test_table_is_sorted_by_any_column_with_missing_ones_last(tabled):
    result, _ = tabled
    assert result["label"] == order(2, 3, 4, 5, 6, 10)
    assert result["labelDown"] == order(10, 6, 5, 4, 3, 2)
    assert result["said"] == "descending"
    assert result["up"] == order(4, 2, 10, 6, 5, 3)
    assert result["down"] == order(5, 6, 10, 2, 4, 3)
    assert result["age"] == order(2, 4, 10, 6, 5, 3)


def test_values_are_told_and_marked(tabled):
    result, _ = tabled
    assert result["volumes"] == ["11\u202f000", "9000", "12\u202f001", "14\u202f000",
                                 "15\u202f000", "n/a"]  # fmt: skip
    assert result["marked"] == ["! 9.00"]


def test_columns_are_chosen(tabled):
    result, _ = tabled
    assert (result["noChosen"], result["oneMore"]) == (7, 8)
    assert result["heads"][-2:] == ["Noise", "Doubt"]


def test_rows_are_filtered_by_words(tabled):
    result, _ = tabled
    assert result["reason"] == [order(6), "1 of 6 shown."]
    assert result["words"] == order(3, 4)
    assert result["note"] == order(4)
    assert result["rated"] == order(3)
    assert result["nobody"] == [[], "No subject is left by this filter."]


def test_rows_are_filtered_by_ranges(tabled):
    result, _ = tabled
    assert result["range"] == [order(2, 6, 10), "Volume from 11000 to 14000 ✕"]
    assert result["both"] == order(2, 10)
    assert result["faint"] == 3
    assert result["chips"] == ["2/4", "0/1", "0/1"]
    assert result["one"] == [order(2, 4, 10), "60"]
    assert result["all"] == "6 of 6 shown."


def test_rows_are_filtered_by_advice_and_rating(tabled):
    result, _ = tabled
    assert result["advice"] == order(3, 6)
    assert result["rating"] == order(3)
    assert result["pressed"] == 0


def test_charts_show_all_and_lead_to_rows(tabled):
    result, _ = tabled
    assert result["dots"] == [5, 6, 6]
    assert result["clicked"] == [
        "Show sub-5_ses-6m large",
        "sub-5_ses-6m: 15\u202f000 mm³ at 70.0 weeks, good",
    ]
    assert result["leftOf"] == result["pointed"] == "sub-6: 14\u202f000 mm³ at 65.0 weeks, bad"
    assert result["strip"] == ["Doubt. The arrow keys go from dot to dot.", 1]
    assert result["shapes"] == 3


def test_a_thousand_rows_are_drawn_as_they_come_into_view(tmp_path):
    some = toy_rows(40, columns=40)
    rows = [dataclasses.replace(some[at % 40], label=f"sub-{at:04d}") for at in range(1000)]
    write_figures(rows[:1], tmp_path)
    script = """
    out.rows = $$("tr[data-row]").length; out.pictures = $$("#table img").length;
    $("#table").focus(); press("End"); await wait();
    out.end = $("#table tr[aria-selected=true]").getAttribute("aria-rowindex");
    out.count = $("#table").getAttribute("aria-rowcount");
    const bottom = $("#table tr[aria-selected=true]").getBoundingClientRect().bottom;
    out.inView = bottom <= $("#box").getBoundingClientRect().bottom;
    out.again = $$("tr[data-row]").length;
    sort("label"); $("#table").focus(); press("Home"); press("Enter");
    await until(() => $("#walk-picture").complete && $("#walk-picture").naturalWidth);
    out.natural = $("#walk-picture").naturalWidth; out.lacks = $("#walk-lacks").textContent;
    """
    result, console = browse(script, tmp_path, rows, toy_columns(40))
    assert 5 < result["rows"] == result["pictures"] < 40
    assert (result["end"], result["count"]) == ("1001", "1001")
    assert result["inView"]
    assert result["again"] < 40
    assert result["natural"] > 0
    assert result["lacks"] == ""
    assert [line for line in console if ".svg" not in line] == []


def test_page_fits_a_narrow_screen(tmp_path):
    result, _ = browse(
        "out.wide = document.documentElement.scrollWidth <= innerWidth; press('Enter');"
        'out.walk = $("#walk").scrollWidth - $("#walk").clientWidth;',
        tmp_path,
        size="500,900",
    )
    assert result == {"wide": True, "walk": 0}


def test_page_of_infants_of_whom_little_is_known(tmp_path):
    rows = [Row(f"sub-{at}", None, "good", {"a": 1.0}) for at in range(6)]
    columns = [Column("a", "A", "Same in all.", section="results"), Column("b", "B", "In none.")]
    script = """
    out.dots = $$(".chart").map((chart) => chart.querySelectorAll(".dot").length);
    press("j"); press("Enter"); out.picture = $("#walk-lacks").textContent;
    out.values = $$("#walk-values .number").map((cell) => cell.textContent);
    """
    result, console = browse(script, tmp_path, rows, columns)
    assert result["dots"] == [6]
    assert result["picture"] == "There is no large picture."
    assert result["values"] == ["1", "n/a"]
    assert console == []
    some = Row("sub-7", 50.0, "good", {})
    result, console = browse(script, tmp_path, [*rows, some], columns)
    assert result["dots"] == [0]
    assert console == []
