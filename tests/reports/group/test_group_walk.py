from __future__ import annotations

import pytest
from chromium_page import run_in_page
from small_cohort import COLUMNS, HELPERS, ROWS, browse

from bgpvs_wf.reports.group.page import render_group

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
out.bad = walked(); press("3"); await until(() => $("#walk-lacks").textContent);
out.picture = [$("#walk-picture").src.slice(0, 22), $("#walk-lacks").textContent];
out.links = $$("#walk-links a").map((a) => a.getAttribute("href"));
out.reasons = $("#walk-reasons").textContent;
out.marked = $$("#walk-values td.named").map((cell) => cell.textContent);
press("?"); out.help = $("#keys").open; press("j"); out.still = walked(); press("?");
out.helped = $("#keys").open;
$("#close").click(); await until(() => document.activeElement.id === "table");
out.closed = [$("#walk").open, document.activeElement.id];
out.counts = $$("[data-rating] b").map((b) => b.textContent);
press("e"); out.saved = saved; out.tsv = (await file.text()).split("\\n");
out.kept = JSON.parse(localStorage.getItem("bgpvs-wf ratings walk")).length;
"""


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    return browse(WALK, tmp_path_factory.mktemp("walk"), key="walk")


def test_browser_reports_no_error_of_a_walk(walked):
    # The one picture that is not there.
    assert [line for line in walked[1] if "nowhere.svg" not in line] == []


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
    assert walked[0]["saved"] == "ratings.tsv"
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
$("#sure button").click(); await wait(); out.left = Object.keys(stored()).length;
$("#clear").click(); $("#sure button:last-child").click();
await until(() => !localStorage.getItem("bgpvs-wf ratings read"));
out.cleared = [localStorage.getItem("bgpvs-wf ratings read"),
  $$("[data-rating] b").map((b) => b.textContent)];
"""


def test_ratings_are_imported_and_cleared(tmp_path):
    result, console = browse(READ, tmp_path, key="read")
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


def test_ratings_survive_a_reload_and_win_over_those_of_the_page(tmp_path):
    look = 'out.now = $$("[data-rating] b").map((b) => b.textContent);'
    rate = 'sort("label"); press("j"); press("3"); press("j"); press("0"); await wait(500);'
    first, _ = browse(rate + look, tmp_path)
    again, _ = browse(look, tmp_path)
    other, _ = browse(look, tmp_path, key="another data set")
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
