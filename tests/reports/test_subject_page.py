from __future__ import annotations

import dataclasses
import html.parser
import itertools
import re

import numpy as np
import pandas as pd
import pytest
from chromium_page import print_page, run_in_page

from bgpvs_wf.cohort.growth.measures import Measure
from bgpvs_wf.cohort.growth.standing import Place, Standing
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.reports.methods import methods_text
from bgpvs_wf.reports.subject_page import SubjectReport, render_subject, write_subject_page
from bgpvs_wf.reports.views import Volume

PLACES = np.array([[-11.5, 0.5, -2.0], [10, 0, 4], [-9, 2, -6], [-12, 1, 0.0]])
"""Of the PVS, mm; the first is that of the toy."""


@pytest.fixture(scope="module")
def report(toy) -> SubjectReport:
    return SubjectReport(
        subject="sub-01_ses-3mo",
        age_weeks=53.0444,
        age_note="sessions.tsv, column age",
        t2w=toy.t2w,
        t1w=toy.t1w,
        t1w_before=Volume(np.roll(toy.t1w.data, 2, axis=0), toy.t1w.affine),
        atlas=toy.nuclei,
        nuclei=toy.nuclei,
        bgpvs=toy.bgpvs,
        regions=regions(),
        objects=pd.DataFrame(
            {
                "pvs": [1, 2, 3, 4],
                "region": ["Putamen", "Caudate", "Pallidum", "Putamen"],
                "length_mm": [9.0, 10.5, np.nan, 2.0],
                **{f"centroid_{a}_mm": v for a, v in zip("xyz", PLACES.T, strict=True)},
            }
        ),
        object_columns={"length_mm": {"Units": "mm", "Description": "Along the skeleton"}},
        record={"scales_mm": [0.3, 0.45], "refused": {"touches_csf": 12, "blob": 3}},
        warnings=["T1w <script>alert(1)</script> & more"],
        software={"nipype": "1.11.0"},
        parameters={"prepare": {"bias_correction": True}, "quantify": {"min_volume_mm3": 0.5}},
        sources=["bids::sub-01/anat/sub-01_T2w.nii.gz"],
    )


def test_where_a_subject_stands_among_norms_is_told_in_words_and_numbers(report):
    volume = Measure("bg_volume", "Basal ganglia, volume", "BG", "volume_mm3", "mm3", "box-cox")
    share = Measure("pvs_fraction", "PVS, share", "BG", "pvs_fraction", "", "box-cox")
    count = Measure("pvs_count", "PVS, number", "BG", "pvs_count", "", "count")
    nucleus = Measure(
        "caudate_volume", "Caudate, volume", "Caudate", "volume_mm3", "mm3", "box-cox"
    )
    places = (
        Place(volume, 12345.6, "40"),
        Place(share, 0.00123, "5 or less"),
        Place(count, 4.0, "50"),
        Place(nucleus, 2000.0, "61"),
    )
    standing = Standing("a <cohort>", "sex F", places, "Voxels are larger.")
    page = render_subject(dataclasses.replace(report, standing=standing))
    said = re.sub(r"<[^>]+>", "", page)
    assert (
        "Among the norms of a &lt;cohort&gt; (sex F): Basal ganglia volume at centile 40; "
        "PVS share at centile 5 or less; PVS number at centile 50. Voxels are larger."
    ) in said
    table = page[page.index('id="standing"') :].partition("</table>")[0]
    cells = re.findall(r"<t[hd]\b[^>]*>([^<]*)<", table)
    assert cells[3:] == [
        *("Basal ganglia volume", "12\u202f346 mm³", "40"),
        *("PVS share", "0.123 %", "5 or less"),
        *("PVS number", "4", "50"),
        *("Caudate volume", "2\u202f000 mm³", "61"),
    ]
    assert 'id="standing"' not in render_subject(report)


class Resources(html.parser.HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [v for k, v in attributes if k in ("src", "href", "srcset", "action", "data")]


def parse(page: str) -> Resources:
    found = Resources()
    found.feed(page)
    return found


def test_page_is_self_contained_and_the_same_every_time(report):
    page = render_subject(report)
    assert page == render_subject(report)
    links = parse(page).links
    assert links
    assert all(re.match("data:image/(png|jpeg);base64,", link) for link in links)
    assert "@import" not in page
    assert not re.search(r"url\(", page)
    assert len(page.encode()) < 5e6


def test_page_escapes_what_it_is_given(report):
    page = render_subject(report)
    assert "T1w &lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert "<script>alert" not in page


def test_page_has_title_language_and_a_name_for_every_picture(report):
    page = render_subject(report)
    assert '<html lang="en">' in page
    assert "<title>sub-01_ses-3mo: perivascular spaces of the basal ganglia</title>" in page
    names = re.findall(r'<button type="button" class="view"[^>]*aria-label="([^"]+)"', page)
    assert len(names) == parse(page).tags.count("svg")
    assert all(re.search(r"axial|coronal|sagittal", name) for name in names)
    assert 'role="img"' not in page  # pictures are named by their buttons
    assert any("Putamen, Pallidum, PVS" in name for name in names)


@pytest.mark.parametrize(
    ("missing", "said"), [("t1w", "T2w only, no T1w"), ("t2w", "T1w only, no T2w")]
)
def test_page_says_which_image_there_was_not(report, missing, said):
    page = render_subject(dataclasses.replace(report, **{missing: None}))
    assert said in page
    assert "T1w to T2w" not in page  # no registration to check


def test_page_of_a_subject_without_anything(report):
    page = render_subject(SubjectReport(subject="sub-02"))
    assert "no image" in page
    assert "age unknown" in page
    assert "There is no image to show." in page


def test_page_of_a_subject_without_pvs(report, toy):
    none = Volume(np.minimum(toy.bgpvs.data, 1), toy.bgpvs.affine)
    page = render_subject(dataclasses.replace(report, bgpvs=none, objects=report.objects.iloc[:0]))
    assert "No perivascular space was found." in page
    assert 'class="ov pvs' not in page


def test_page_shows_refusals_parameters_software_and_sources(report):
    page = render_subject(report)
    for text in (
        "touches CSF",
        "0.3, 0.45",
        "quantify.min_volume_mm3",
        "1.11.0",
        "bids::sub-01/anat",
    ):
        assert text in page


def test_methods_follow_what_was_done(report):
    page = render_subject(report)
    assert "smaller than 0.5 mm³" in page
    assert "10.1109/TMI.2010.2046908" in page  # N4
    without = dataclasses.replace(report, parameters={"prepare": {"bias_correction": False}})
    assert "10.1109/TMI.2010.2046908" not in render_subject(without)


_MODEL = {
    "model": "infant",
    "checksum": "0123456789abcdef",
    "strategy": "anatomy",
    "members": 3,
    "pvs_threshold": 0.4,
    "flips": True,
}


@pytest.mark.parametrize("members", [1, 3])
def test_methods_tell_the_model(members):
    parameters = {
        "anatomy": {"source": "auto", "atlases": ()},
        "predict": {**_MODEL, "members": members},
    }
    text, references = methods_text(["T2w"], parameters, {"monai": "1.6.1", "torch": "2.13.0"})
    assert "thalamus were segmented by the model." in text
    networks = "a U-Net" if members == 1 else "the mean of 3 U-Nets"
    assert f"model 'infant' (SHA-256 0123456789ab…, strategy 'anatomy'), {networks} [" in text
    assert "in MONAI 1.6.1 [" in text
    assert "from a probability of 0.4 on; results were averaged with the mirror image's." in text
    assert any("Isensee" in reference for reference in references)
    assert "and PyTorch 2.13.0 [" in text
    # What is in the list is cited: no atlas was registered.
    assert all(f"[{number}]" in text for number in range(1, len(references) + 1))
    assert not any("Med Image Anal" in reference for reference in references)
    assert not any("Frangi" in reference for reference in references)


def test_methods_tell_what_is_measured_and_what_is_not():
    parameters = {
        "anatomy": {"source": "auto", "atlases": ["crl (40 weeks)"]},
        "predict": {**_MODEL, "flips": False},
        "pseudolabel": {"strategy": "anatomy"},
    }
    text, _ = methods_text(["T2w"], parameters, {})
    assert "Those of the pseudo-labels came from the atlas crl (40 weeks)" in text
    assert "Pseudo-labels, written but not measured, were tubes" in text
    given = {**parameters, "anatomy": {"source": "derivatives", "atlases": []}}
    text, _ = methods_text(["T2w"], given, {})
    assert "thalamus were taken from existing segmentations." in text
    assert "Those of the pseudo-labels" not in text


def test_page_is_written_whole_or_not_at_all(report, tmp_path):
    path = write_subject_page(report, tmp_path / "out" / "sub-01.html")
    assert path.read_text(encoding="utf-8") == render_subject(report)
    assert [p.name for p in path.parent.iterdir()] == ["sub-01.html"]
    with pytest.raises(BGPVSError, match=r"nested\.html"):
        write_subject_page(report, path / "nested.html")


CONTRAST = """
const light = (colour) => colour.map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const [r, g, b, a = 1] = parts(getComputedStyle(element).backgroundColor);
    if (a === 1) return [r, g, b];
  }
  return [255, 255, 255];
};
const faint = (root) => [...root.querySelectorAll("*")].filter((element) =>
  !element.closest("svg, script, style") && element.checkVisibility() &&
  [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
).filter((element) => {
  const [one, other] = [parts(getComputedStyle(element).color).slice(0, 3), behind(element)]
    .map(light).sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05) < 4.5;
}).map((element) => `${element.tagName}.${element.className}: ${element.textContent}`);
"""
"""`faint(root)`: elements with text of less contrast than WCAG 2.2 asks for (1.4.3, level AA)."""

SCRIPT = (
    CONTRAST
    + """
const one = (s) => document.querySelector(s);
const shown = (s) => getComputedStyle(one(s)).visibility;
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", {key}));
const column = () => [...document.querySelectorAll("table.sortable tbody tr")].map(
  (row) => row.cells[2].textContent);
const lengths = one("table.sortable th:nth-child(3) button");
out.start = [shown(".nucleus"), shown(".pvs")];
press("p"); out.p = [shown(".nucleus"), shown(".pvs")];
press("p"); press("n"); out.n = [shown(".nucleus"), shown(".pvs")]; press("n");
one(".view").click();
out.clicked = [one(".view").getAttribute("aria-pressed"), shown(".view .pvs")];
one(".view").click();
out.again = [one(".view").getAttribute("aria-pressed"), shown(".view .pvs")];
press("f"); out.flicker = getComputedStyle(one(".ov")).animationName; press("f");
out.still = getComputedStyle(one(".ov")).animationName;
lengths.click(); out.up = column();
lengths.click(); out.down = column();
out.sort = lengths.parentElement.getAttribute("aria-sort");
const slider = one("#contrast"); slider.value = 2; slider.dispatchEvent(new Event("input"));
const leaf = one("#stack input"), place = () => one("#stack output").textContent;
one("tr[data-place] [data-value='1.0']").click();
out.visited = [place(), one("#stack .mark").getAttribute("visibility")];
out.pvs = one("#stack [data-name=PVS]").getAttribute("d") !== "";
const box = one("#stack [data-name=PVS]").getBBox(), mark = one("#stack .mark").getBBox();
out.near = [mark.x + mark.width / 2 - box.x / 2, mark.y + mark.height / 2 - box.y / 2];
leaf.value = 0; leaf.dispatchEvent(new Event("input"));
out.left = [place(), one("#stack .mark").getAttribute("visibility")];
out.none = one("#stack [data-name=PVS]").getAttribute("d");
out.contrast = getComputedStyle(one(".tile")).filter;
out.wide = document.documentElement.scrollWidth <= innerWidth;
const box_of = (element) => element.getBoundingClientRect();
const ends = (view) => box_of(view.querySelector(".caption")).bottom;
const begins = (view) => box_of(view.querySelector("svg")).top;
out.covered = [...document.querySelectorAll(".view")].filter((v) => ends(v) > begins(v) + 1).length;
out.headings = [...document.querySelectorAll("h1, h2, h3")].map((heading) => heading.tagName);
for (const details of document.querySelectorAll("details")) details.open = true;
out.faint = faint(document.body);
document.documentElement.style.fontSize = "32px";
out.large = document.documentElement.scrollWidth <= innerWidth;
"""
)


@pytest.fixture(scope="module")
def browsed(report, tmp_path_factory):
    """What a browser made of the page: results of the script above, and its console."""
    folder = tmp_path_factory.mktemp("browser")
    return run_in_page(render_subject(report), SCRIPT, folder, size="420,900")


def test_browser_reports_no_error(browsed):
    _, console = browsed
    assert console == []


def test_layers_are_switched_by_keys(browsed):
    result, _ = browsed
    assert result["start"] == ["visible", "visible"]
    assert result["p"] == ["visible", "hidden"]
    assert result["n"] == ["hidden", "visible"]
    assert (result["flicker"], result["still"]) == ("flicker", "none")


def test_pictures_are_toggled_by_a_press(browsed):
    result, _ = browsed
    assert result["clicked"] == ["false", "hidden"]
    assert result["again"] == ["true", "visible"]


def test_tables_are_sorted_by_number_with_missing_ones_last(browsed):
    result, _ = browsed
    assert result["up"] == ["2.0", "9.0", "10.5", "–"]
    assert result["down"] == ["10.5", "9.0", "2.0", "–"]
    assert result["sort"] == "descending"


def test_rows_of_pvs_lead_to_their_place_in_the_stack(browsed):
    result, _ = browsed
    assert result["visited"] == ["z = −2 mm", "visible"]
    assert result["pvs"]
    # The toy's PVS is one voxel wide and two deep: its centroid is half of that from its corner.
    assert result["near"] == pytest.approx([0.5, 1.0], abs=0.06)
    assert result["left"][1] == "hidden"
    assert result["none"] == ""


def test_page_fits_a_narrow_screen(browsed):
    result, _ = browsed
    assert result["wide"]
    assert result["large"]
    assert result["contrast"] == "contrast(2)"


def test_captions_leave_the_letters_of_the_pictures_free(browsed):
    assert browsed[0]["covered"] == 0


def test_headings_go_down_step_by_step(browsed):
    levels = [int(tag[1]) for tag in browsed[0]["headings"]]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_text_has_contrast_by_day(browsed):
    assert browsed[0]["faint"] == []


def test_text_has_contrast_by_night(report, tmp_path):
    script = CONTRAST + "out.dark = matchMedia('(prefers-color-scheme: dark)').matches;"
    script += "out.faint = faint(document.body);"
    flags = ("--blink-settings=preferredColorScheme=0",)
    result, _ = run_in_page(render_subject(report), script, tmp_path, flags=flags)
    assert result == {"dark": True, "faint": []}


def test_page_prints_on_two_sheets_of_a4(report, tmp_path):
    sheets = print_page(render_subject(report), tmp_path)
    assert len(sheets) == 2
    for width, height in sheets:
        assert (width, height) == pytest.approx((210, 297), abs=1)


def regions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "region": ["BG", "BG", "BG"],
            "side": ["both", "left", "right"],
            "volume_mm3": [16000.0, 8200.0, 7800.0],
            "pvs_count": [7, 4, 3],
            "pvs_volume_mm3": [60.0, 40.0, 20.0],
            "pvs_fraction": [0.00375, 0.00488, 0.00256],
        }
    )


def test_headlines_are_those_of_the_basal_ganglia(report):
    page = render_subject(report)
    text = re.sub(r"<[^>]+>", " ", page[page.index("<dl") : page.index("</dl>")])
    text = re.sub(r"\s+", " ", text)
    assert "Basal ganglia volume 16 mL R 7.80 L 8.20" in text
    assert "PVS in the basal ganglia 7 R 3 L 4" in text


def test_the_volume_is_that_of_tubes_where_it_is_known(report):
    known = regions().assign(
        pvs_volume_tube_mm3=[75.0, 50.0, 25.0], pvs_fraction_tube=[0.0047, 0.0061, 0.0032]
    )
    unknown = known.assign(pvs_volume_tube_mm3=np.nan)
    for table, named in (
        (known, "PVS volume (tubes)</dt><dd><b>75"),
        (unknown, "PVS volume</dt><dd><b>60"),
    ):
        page = render_subject(dataclasses.replace(report, regions=table))
        assert f"<dt>{named}" in page


def test_how_many_are_found_again_is_said_beside_the_numbers(report):
    known = render_subject(dataclasses.replace(report, record={"pvs_found_again": 0.5}))
    assert "50 % of these PVS are found again" in known.split('id="doubts"')[0]
    assert "are found again" not in render_subject(report)


def test_a_record_says_what_its_entries_mean(report):
    told = {"pvs_too_faint_mm3": 1.5, "strategy": "rules"}
    page = render_subject(dataclasses.replace(report, record=told))
    assert 'PVS too faint (mm³)<p class="hint">looked like PVS' in page
    assert (
        'strategy<p class="hint">what the model learnt from</p></th><td class="number">rules'
        in page
    )


def _at(volume: Volume, slice_mm: float) -> Volume:
    return Volume(volume.data, volume.affine @ np.diag([1, 1, slice_mm / 2, 1]))


@pytest.mark.parametrize(
    ("slice_mm", "found", "shown"),
    [(1.0, 7, "7"), (1.0, 0, "0"), (2.0, 7, "7"), (2.0, 0, "–"), (3.2, 7, "–"), (3.2, 0, "–")],
)
def test_no_number_is_shown_where_pvs_cannot_be_seen(report, slice_mm, found, shown):
    table = regions().assign(pvs_count=[found, found, 0])
    images = {n: _at(getattr(report, n), slice_mm) for n in ("t2w", "nuclei", "bgpvs")}
    thick = dataclasses.replace(report, regions=table, t1w=None, atlas=None, **images)
    page = render_subject(thick)
    assert f"<dt>PVS in the basal ganglia</dt><dd><b>{shown}</b>" in page
    assert "<dt>Basal ganglia volume</dt><dd><b>16" in page


def test_sides_that_are_not_known_are_marked_on_the_page(report):
    sides = {"left": "left?", "right": "right?", "both": "both"}
    marked = dataclasses.replace(report, regions=regions().replace({"side": sides}))
    page, usual = render_subject(marked), render_subject(report)
    assert '<abbr title="right">R?</abbr> 3 <abbr title="left">L?</abbr> 4' in page
    assert "if the sides are as assumed, which is not known" in page
    assert ">R<" not in page
    assert ">R?<" not in usual
    assert "which is not known" not in usual
