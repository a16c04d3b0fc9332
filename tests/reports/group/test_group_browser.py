from __future__ import annotations

import dataclasses

import pytest
from chromium_page import run_in_page
from cohort_toy import toy_columns, toy_rows, write_figures

from bgpvs_wf.reports.group.page import render_group
from bgpvs_wf.reports.group.rows import Column, Reason, Row

COLUMNS = [
    Column("volume", "Volume", "Of the basal ganglia.", "mm³", "results"),
    Column("noise", "Noise", "Of the scan."),
    Column("doubt", "Doubt", "Of the model.", shown=False),
]
ROWS = [
    Row("sub-10", 60.0, "good", {"volume": 12000.5, "noise": 1.0, "doubt": 0.1}),
    Row("sub-2", 50.0, "good", {"volume": 11000.0, "noise": 1.1, "doubt": 0.2}),
    Row("sub-3_ses-3m", None, "look", {"volume": None, "noise": 1.2, "doubt": 0.3}, rating="check"),
    Row(
        "sub-4_ses-3m", 55.0, "good", {"volume": 9000.0, "noise": 0.9, "doubt": 0.1}, note="T1w ok"
    ),
    Row("sub-5_ses-6m", 70.0, "good", {"volume": 15000.0, "noise": 1.05, "doubt": 0.1}),
    Row(
        "sub-6",
        65.0,
        "bad",
        {"volume": 14000.0, "noise": 9.0, "doubt": 0.1},
        (Reason("The scan is too noisy.", "noise"),),
        page="sub-6.html",
        viewer="sub-6_3d.html",
        figure="nowhere.svg",
        thumbnail=toy_rows(1)[0].thumbnail,
    ),
]

HELPERS = """
const $ = (s) => document.querySelector(s), $$ = (s) => [...document.querySelectorAll(s)];
const press = (key, to = document.activeElement) => to.dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const type = (s, text) => { $(s).value = text; $(s).dispatchEvent(new Event("input")); };
const wait = (ms = 50) => new Promise((done) => setTimeout(done, ms));
// Messages pass in real time, unlike timers: what comes from a file needs it.
const until = async (is) => {
  const { port1, port2 } = new MessageChannel();
  for (let at = 0; at < 1e5 && !is(); at += 1) {
    await new Promise((done) => { port1.onmessage = done; port2.postMessage(0); });
  }
};
const labels = () => $$("tr[data-row] .thumb").map((b) => b.ariaLabel.split(" ")[1]);
const sort = (field) => $(`th[data-field="${field}"] button`).click();
const count = () => $("#count").textContent;
const walked = () => $("#walk-label").textContent;
let file = null;
const made = URL.createObjectURL;
URL.createObjectURL = (blob) => { file = blob; return made.call(URL, blob); };
"""

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

WALK = """
sort("label"); press("/"); out.search = document.activeElement.id; press("Enter");
out.first = document.getElementById($("#table").getAttribute("aria-activedescendant")).dataset.row;
press("j"); press("ArrowDown"); press("k"); press("Enter");
out.opened = [walked(), $("#walk").open, $("#walk-place").textContent];
press("1"); out.rated = $("#walk-said").textContent;
out.pressed = $("[data-rate=keep]").getAttribute("aria-pressed");
press("j"); out.next = walked(); press("2"); press("ArrowRight"); press("3"); press("0");
press("n"); out.typing = document.activeElement.id;
press("3"); type("#note", "a\\ttab\\nand a line"); press("Escape");
out.back = [document.activeElement.id, $("#walk").open];
press("k"); press("k"); press("k"); press("k"); press("k"); out.end = walked();
out.limit = $("#walk-said").textContent;
for (let at = 0; at < 4; at += 1) press("j");
out.bad = walked(); press("3"); await wait(300);
out.picture = [$("#walk-picture").src.slice(0, 22), $("#walk-lacks").textContent];
out.links = $$("#walk-links a").map((a) => a.getAttribute("href"));
out.reasons = $("#walk-reasons").textContent;
out.marked = $$("#walk-values td.named").map((cell) => cell.textContent);
press("?"); out.help = $("#keys").open; press("j"); out.still = walked(); press("?");
out.helped = $("#keys").open;
$("#close").click(); await wait();
out.closed = [$("#walk").open, document.activeElement.id];
out.counts = $$("[data-rating] b").map((b) => b.textContent);
press("e"); out.tsv = (await file.text()).split("\\n");
out.kept = JSON.parse(localStorage.getItem("bgpvs-wf ratings walk")).length;
"""


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """Return what a script finds in the page of `ROWS`."""

    def run(script, rows=ROWS, columns=COLUMNS, key="toy", folder=None, **how):
        page = render_group(rows, columns, title="Toy", key=key)
        folder = folder or tmp_path_factory.mktemp("browser")
        return run_in_page(page, HELPERS + script, folder, **how)

    return run


@pytest.fixture(scope="module")
def tabled(browse):
    return browse(TABLE)


@pytest.fixture(scope="module")
def walked(browse):
    return browse(WALK, key="walk")


def order(*numbers: int) -> list[str]:
    found = {int(row.label[4:].split("_")[0]): row.label for row in ROWS}
    return [found[number] for number in numbers]


def test_browser_reports_no_error(tabled, walked):
    assert tabled[1] == []
    # The one picture that is not there.
    assert [line for line in walked[1] if "nowhere.svg" not in line] == []


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


def test_keys_walk_from_one_to_the_next(walked):
    result, _ = walked
    assert result["search"] == "words"
    assert result["first"] == "1"
    assert result["opened"] == ["sub-3_ses-3m", True, "2 of 6"]
    assert result["next"] == "sub-4_ses-3m"
    assert (result["end"], result["limit"]) == ("sub-2", "This is the first one.")
    assert result["closed"] == [False, "table"]


def test_a_walk_shows_pictures_links_reasons_and_marks(walked):
    result, _ = walked
    assert result["bad"] == "sub-6"
    said = "The large picture is not where it was. This is the small one."
    assert result["picture"] == ["data:image/jpeg;base64", said]
    assert result["links"] == ["sub-6.html", "sub-6_3d.html"]
    assert result["reasons"] == "The scan is too noisy."
    assert result["marked"] == ["! 9.00"]


def test_keys_are_listed_and_do_nothing_meanwhile(walked):
    result, _ = walked
    assert (result["help"], result["still"], result["helped"]) == (True, "sub-6", False)


def test_keys_rate_but_not_while_a_note_is_written(walked):
    result, _ = walked
    assert (result["rated"], result["pressed"]) == ("sub-3_ses-3m: keep.", "true")
    assert result["typing"] == "note"
    assert result["back"] == ["walk", True]
    assert result["counts"] == ["1", "1", "1", "3"]


def test_ratings_are_exported_as_a_bids_table(walked):
    head, *lines, end = walked[0]["tsv"]
    assert head == "participant_id\tsession_id\trating\tnote\trated"
    assert end == ""
    cells = {cells[0]: cells[1:] for cells in (line.split("\t") for line in lines)}
    assert list(cells) == [row.label.split("_")[0] for row in ROWS]
    assert cells["sub-2"] == ["n/a", "n/a", "n/a", "n/a"]
    assert cells["sub-3"][:3] == ["ses-3m", "keep", "n/a"]
    assert cells["sub-4"][:3] == ["ses-3m", "check", "T1w ok"]
    assert cells["sub-5"][:3] == ["ses-6m", "n/a", "a tab and a line"]
    assert cells["sub-6"][:2] == ["n/a", "exclude"]
    assert all(len(line) == 4 for line in cells.values())
    assert cells["sub-3"][3][10:11] + cells["sub-3"][3][-1] == "TZ"
    assert walked[0]["kept"] == 4


READ = """
const given = (text) => {
  const files = new DataTransfer(); files.items.add(new File([text], "ratings.tsv"));
  $("#said").textContent = "";
  $("#import").files = files.files; $("#import").dispatchEvent(new Event("change"));
  return until(() => $("#said").textContent && !$("#import").value);
};
const stored = () => Object.fromEntries(JSON.parse(localStorage.getItem("bgpvs-wf ratings read")));
const head = "participant_id\\tsession_id\\trating\\tnote\\trated\\r\\n";
await given("a\\tb\\n1\\t2\\n"); out.other = $("#said").textContent;
await given(head + "sub-2\\tn/a\\tkeep\\tfine\\t2025-01-01T00:00:00Z\\r\\n"
  + "sub-3\\t3m\\tn/a\\tn/a\\t2025-01-01T00:00:00Z\\r\\n"
  + "sub-4\\tses-3m\\tn/a\\tn/a\\tn/a\\r\\nsub-99\\tn/a\\tkeep\\tn/a\\tn/a\\r\\n"
  + "sub-6\\tn/a\\twonderful\\tn/a\\tn/a\\r\\n");
out.read = [$("#said").textContent, stored()];
await given(head + "sub-2\\tn/a\\texclude\\tn/a\\t2024-01-01T00:00:00Z\\n");
out.older = [$("#said").textContent, stored()["sub-2"].rating];
$("#clear").click(); out.asked = [$("#sure").open, $("#sure-what").textContent];
$("#sure button:last-child").click(); await wait(); out.left = Object.keys(stored()).length;
$("#clear").click(); $("#sure button").click(); await wait();
out.cleared = [localStorage.getItem("bgpvs-wf ratings read"),
  $$("[data-rating] b").map((b) => b.textContent)];
"""


def test_ratings_are_imported_and_cleared(browse):
    result, console = browse(READ, key="read")
    assert console == []
    assert "participant_id" in result["other"]
    said, kept = result["read"]
    assert said == "2 ratings read. 2 lines left out: no such subject or rating here."
    assert kept == {
        "sub-2": {"rating": "keep", "note": "fine", "rated": "2025-01-01T00:00:00Z"},
        "sub-3_ses-3m": {"rating": "", "note": "", "rated": "2025-01-01T00:00:00Z"},
    }
    assert result["older"] == ["0 ratings read. 1 rating of this page kept, given later.", "keep"]
    assert result["asked"][0]
    assert result["asked"][1].startswith("2 subjects rated or noted in this browser.")
    assert result["left"] == 2
    assert result["cleared"] == [None, ["0", "1", "0", "5"]]


def test_ratings_survive_a_reload_and_win_over_those_of_the_page(browse, tmp_path):
    look = 'out.now = $$("[data-rating] b").map((b) => b.textContent);'
    rate = 'sort("label"); press("j"); press("3"); press("j"); press("0"); await wait(500);'
    first, _ = browse(rate + look, folder=tmp_path)
    again, _ = browse(look, folder=tmp_path)
    other, _ = browse(look, folder=tmp_path, key="another data set")
    assert first["now"] == again["now"] == ["0", "0", "1", "5"]
    assert other["now"] == ["0", "1", "0", "5"]


def test_page_says_where_a_browser_does_not_keep_ratings(tmp_path):
    page = render_group(ROWS, COLUMNS, title="Toy")
    closed = '<script>Object.defineProperty(window, "localStorage", {get() { throw Error(); }});'
    page = page.replace("<main>", f"{closed}</script><main>")
    script = 'out.said = !$("#unkept").hidden; press("j"); press("1");'
    script += 'out.rated = $("[data-rating=keep] b").textContent;'
    result, console = run_in_page(page, HELPERS + script, tmp_path)
    assert result == {"said": True, "rated": "1"}
    assert console == []


def test_a_thousand_rows_are_drawn_as_they_come_into_view(browse, tmp_path):
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
    sort("label"); $("#table").focus(); press("Home"); press("Enter"); await wait(300);
    out.natural = $("#walk-picture").naturalWidth; out.lacks = $("#walk-lacks").textContent;
    """
    result, console = browse(script, rows, toy_columns(40), folder=tmp_path)
    assert 5 < result["rows"] == result["pictures"] < 40
    assert (result["end"], result["count"]) == ("1001", "1001")
    assert result["inView"]
    assert result["again"] < 40
    assert result["natural"] > 0
    assert result["lacks"] == ""
    assert [line for line in console if ".svg" not in line] == []


def test_page_fits_a_narrow_screen(browse):
    result, _ = browse(
        "out.wide = document.documentElement.scrollWidth <= innerWidth; press('Enter');"
        'out.walk = $("#walk").scrollWidth - $("#walk").clientWidth;',
        size="500,900",
    )
    assert result == {"wide": True, "walk": 0}
