from __future__ import annotations

import base64
import dataclasses
import gzip
import html
import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bgpvs_wf.anatomy.colours import COLOURS
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.reports.viewer.diameters import diameter_colours, hex_colour
from bgpvs_wf.reports.viewer.page import SCRIPT, render_viewer, write_viewer
from bgpvs_wf.reports.views import Volume

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-logging=stderr",
    "--virtual-time-budget=30000",
    "--window-size=400,800",
]


@pytest.fixture(scope="module")
def page(subject) -> str:
    return render_viewer(subject, assets="assets", page="sub-01.html", figure="sub-01.png")


def data_of(page: str) -> dict:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_the_page_is_the_same_every_time_and_refers_to_what_it_was_told(subject, page):
    again = render_viewer(subject, assets="assets", page="sub-01.html", figure="sub-01.png")
    assert page == again
    links = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert links == {"assets/niivue.umd.js", "sub-01.html", "sub-01.png"}
    assert "<title>sub-01 in 3D" in page
    assert len(page.encode()) < 1e6


def test_the_page_holds_images_and_surfaces(page):
    data = data_of(page)
    assert [name for name, _ in data["images"]] == ["T2w", "T1w"]
    image = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(data["images"][0][1])))
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    for nucleus in data["nuclei"]:
        assert hex_colour(nucleus["colour"][:3]) == COLOURS[nucleus["name"]].lower()
        assert gzip.decompress(base64.b64decode(nucleus["mesh"]))[:2] == b"MZ"
    # Of the vertices of PVS 4, whose diameter is known, and of 7, whose is not.
    content = gzip.decompress(base64.b64decode(data["pvs"]))
    faces, vertices = np.frombuffer(content, "<u4", 2, 4)
    rgba = np.frombuffer(content, np.uint8, 4 * vertices, 16 + 12 * (faces + vertices))
    found = {tuple(colour) for colour in rgba.reshape(-1, 4)[:, :3].tolist()}
    known = diameter_colours(np.array([1.25]))[0]
    assert found == {tuple(known.tolist()), (255, 255, 255)}
    assert data["dots"] == [hex_colour(known)]


def test_the_list_has_the_pvs_that_are_drawn(page):
    rows = re.findall(r'<tr data-place="([^"]+)"[^>]*>(.*?)</tr>', page)
    assert len(rows) == 1
    place, cells = rows[0]
    assert place in ("-11.50 0.00 -2.00", "-11.50 1.00 -2.00")
    assert re.findall(r">([^<]+)</t[dh]>", cells) == ["4", "Putamen", "left", "1.25", "20"]
    assert "<b>Caudate" not in page
    assert "2 PVS" in page


def test_a_page_without_pvs_or_t1w(subject):
    none = Volume(np.zeros_like(subject.pvs.data), subject.pvs.affine)
    bare = dataclasses.replace(subject, t1w=None, pvs=none, objects=subject.objects.iloc[:0])
    page = render_viewer(bare, assets="assets")
    assert "No perivascular space was found." in page
    assert "Mean diameter" not in page
    assert 'data-image="T1w"' not in page
    assert "<a href" not in page
    assert data_of(page)["pvs"] is None


def test_sides_that_are_not_known_have_a_question_mark(subject, page):
    unknown = render_viewer(dataclasses.replace(subject, sides_known=False), assets="assets")
    assert data_of(unknown)["mark"] == "?"
    assert "if the sides are as assumed, which is not known" in unknown
    assert data_of(page)["mark"] == ""
    assert "as assumed" not in page


def test_pages_share_a_script_that_is_written_once(subject, tmp_path):
    first = write_viewer(subject, tmp_path / "sub-01_3d.html")
    script = tmp_path / "assets" / SCRIPT
    written = script.stat().st_mtime_ns
    second = write_viewer(subject, tmp_path / "a" / "b.html", assets=tmp_path / "assets")
    assert script.stat().st_mtime_ns == written
    assert 'src="assets/niivue.umd.js"' in first.read_text(encoding="utf-8")
    assert 'src="../assets/niivue.umd.js"' in second.read_text(encoding="utf-8")
    assert "Copyright (c) 2021, Niivue" in (script.parent / "niivue.LICENSE.txt").read_text()
    packed = resources.files("bgpvs_wf.reports.viewer") / "assets" / SCRIPT
    assert script.read_bytes() == packed.read_bytes()
    script.write_bytes(b"cut short")
    write_viewer(subject, first)
    assert script.read_bytes() == packed.read_bytes()
    with pytest.raises(BGPVSError, match=r"nested\.html"):
        write_viewer(subject, first / "nested.html", assets=tmp_path / "assets")


PROBE = (Path(__file__).parent / "probe.js").read_text(encoding="utf-8")
WAIT = """
window.drawn.then(probe)
  .catch((error) => { out.error = String(error); })
  .finally(() => { said(); tell(); });
"""


def browse(folder: Path, page: str, script: str, *flags: str) -> tuple[dict, str]:
    """What a browser made of a page in a folder: results of a script, and its log."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed; the page's behaviour is not tested")
    (folder / "page.html").write_text(
        page.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8"
    )
    profile = f"--user-data-dir={folder / 'profile'}"
    call = [CHROMIUM, *FLAGS, *flags, profile, "--dump-dom", (folder / "page.html").as_uri()]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300, check=False)
    found = re.search(r"data-result='([^']+)'|data-result=\"([^\"]+)\"", done.stdout)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1] or found[2])), done.stderr


@pytest.fixture(scope="module")
def seen(subject, tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewer")
    page = write_viewer(subject, folder / "sub-01.html").read_text(encoding="utf-8")
    colour = diameter_colours(np.array([1.25]))[0].tolist()
    return browse(folder, page, PROBE.replace("COLOUR", str(colour)) + WAIT)


def test_a_browser_draws_surfaces_and_slices(seen):
    result, log = seen
    assert "error" not in result, result
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []
    assert result["viewer"]
    assert not result["fallback"]
    assert result["lit"] > 2000
    assert result["orange"] > 500  # putamen
    assert result["green"] > 300  # pallidum
    assert result["pure"] > 20  # the PVS, as in the colour bar though a nucleus is around it
    assert result["grey"] > 2000
    assert result["wide"]


def test_the_cross_starts_at_the_first_pvs_and_goes_where_rows_lead(seen):
    result, _ = seen
    assert re.fullmatch("x −11.5, y [01].0, z −2.0 mm", result["place"])
    assert result["moved"] != result["place"]
    assert result["visited"] == result["place"]


def test_left_is_at_the_right_and_lines_are_around_their_pvs(seen):
    result, _ = seen
    assert result["left"] > 0
    assert {"R", "L", "A", "S"} <= set(result["letters"])
    left, _, width, _ = result["tile"]
    assert result["told"][0] > left + width / 2
    # The PVS is two voxels long and one wide; lines are 2 pixels thick.
    assert result["cut"] == pytest.approx(result["told"], abs=1.5)


def test_keys_change_the_picture_and_change_it_back(seen):
    result, _ = seen
    assert [result[key] > 10 for key in ("p", "n", "i", "t1w", "opaque")] == [True] * 5
    assert [result[key] for key in ("pp", "nn", "ii", "t2w", "again", "reset")] == [0] * 6
    assert (result["alone"], result["both"]) == ("none", "block")


def test_without_webgl_the_page_shows_the_figure(page, tmp_path):
    result, _ = browse(tmp_path, page, PROBE + "said(); tell();", "--disable-3d-apis")
    assert "no WebGL2" in result["why"]
    assert result["fallback"]
    assert not result["viewer"]


def test_without_its_script_the_page_says_so(page, tmp_path):
    result, _ = browse(tmp_path, page, PROBE + "said(); tell();")
    assert "script of NiiVue is not where" in result["why"]
    assert result["fallback"]
    assert not result["viewer"]
