"""What the page of a subject says in sentences before it shows numbers."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.reports.glossary import GLOSSARY
from bgpvs_wf.reports.subject_page import SubjectReport, render_subject
from bgpvs_wf.reports.views import Volume


def regions(**counts: tuple[int, int]) -> pd.DataFrame:
    """Return a table of regions from the PVS of nuclei, right and left."""
    nuclei = {"Caudate": (0, 0), "Putamen": (0, 0), "Accumbens-area": (0, 0), **counts}
    rows = []
    for name, (right, left) in nuclei.items():
        rows += [(name, "left", left), (name, "right", right), (name, "both", left + right)]
    rows += [("Thalamus", side, np.nan) for side in ("left", "right", "both")]
    frame = pd.DataFrame(rows, columns=["region", "side", "pvs_count"])
    whole = frame.groupby("side", as_index=False)["pvs_count"].sum().assign(region="BG")
    frame = pd.concat([frame, whole], ignore_index=True)
    bg = frame["region"].eq("BG")
    frame["volume_mm3"] = np.where(frame["side"].eq("both"), 16400.0, 8200.0)
    frame["pvs_volume_tube_mm3"] = 2.0 * frame["pvs_count"]
    frame["pvs_fraction_tube"] = frame["pvs_volume_tube_mm3"] / frame["volume_mm3"]
    frame["pvs_mean_diameter_mm"] = np.where(bg & frame["pvs_count"].gt(0), 1.06, np.nan)
    return frame


def objects(*probabilities: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "index": range(1, len(probabilities) + 1),
            "region": "Putamen",
            "side": "right",
            "length_mm": np.linspace(7.9, 2.0, len(probabilities)),
            "mean_probability": probabilities,
        }
    )


def section(name: str, slice_mm: float | None = None, **said) -> str:
    """Return the text of a section of a page, spaces made one."""
    if slice_mm is not None:
        affine = np.diag([1.0, 1.0, slice_mm, 1.0])
        said["t2w"] = Volume(np.ones((6, 6, 6), np.float32), affine)
    page = render_subject(SubjectReport(subject="sub-01", **said))
    found = re.search(rf'<section id="{name}".*?</section>', page, re.S)
    text = re.sub(r"<[^>]+>", " ", found[0]) if found else ""
    return re.sub(r"\s+", " ", html.unescape(text)).strip()


def test_many_are_told_by_side_nucleus_volume_and_length():
    table = regions(Caudate=(2, 6), Putamen=(1, 3))
    text = section("findings", regions=table, objects=objects(0.9, 0.8))
    assert "12 perivascular spaces (PVS) were found in the basal ganglia: 3 on the right, 9 on the "
    assert "8 are in the caudate and 4 in the putamen; none is in the accumbens." in text
    assert "Together they take up 24 mm³, 0.146 % of the basal ganglia: 6 mm³ on the right" in text
    assert (
        "The longest is 7.90 mm long (in the right putamen); the mean diameter is 1.06 mm" in text
    )
    assert "(caudate, putamen and accumbens) measure 16.4 mL: 8.20 mL on the right" in text


def test_the_volume_is_told_with_how_far_it_may_be_off():
    table = regions(Putamen=(12, 7))
    whole = table["region"].eq("BG") & table["side"].eq("both")
    for end, value in (("low", 24.1), ("high", 60.25)):
        table[f"pvs_volume_tube_{end}_mm3"] = np.where(whole, value, np.nan)
    said = (
        "14 mm³ on the left. The true volume is 24.1 to 60.2 mm³ with nine chances in ten, if the "
        "scan is like those that the model was calibrated on."
    )
    assert said in section("findings", regions=table)
    assert "chances" not in section("findings", regions=table, slice_mm=3.2)
    unknown = table.assign(pvs_volume_tube_low_mm3=np.nan, pvs_volume_tube_high_mm3=np.nan)
    for other in (unknown, regions(Putamen=(12, 7))):
        assert "chances" not in section("findings", regions=other)


def test_one_is_told_in_the_singular():
    text = section("findings", regions=regions(Putamen=(1, 0)), objects=objects(0.83))
    assert "One perivascular space (PVS) was found in the basal ganglia, on the right." in text
    assert "It is in the putamen. It takes up 2 mm³, 0.0122 % of the basal ganglia." in text
    assert "It is 7.90 mm long and 1.06 mm wide on average." in text
    assert "To the network it is a PVS with a probability of 0.83." in text


def test_all_on_one_side_and_in_one_nucleus():
    text = section("findings", regions=regions(Putamen=(0, 3)))
    assert "3 perivascular spaces (PVS) were found in the basal ganglia, all on the left." in text
    assert "All are in the putamen." in text
    text = section("findings", regions=regions(Caudate=(1, 1)))
    assert ": 1 on the right, 1 on the left. Both are in the caudate." in text


def test_none_found_is_one_sentence():
    said = {"regions": regions(), "objects": objects(), "record": {"pvs_found_again": 0.5}}
    text = section("findings", **said)
    assert "No perivascular space (PVS) was found in the basal ganglia." in text
    assert "The basal ganglia (caudate, putamen and accumbens) measure 16.4 mL" in text
    assert not re.search("take up|found again|How sure|probability", text)


@pytest.mark.parametrize(
    ("slice_mm", "found", "said"),
    [
        (2.0, 0, "was found in the basal ganglia, which says little: few can be seen in voxels"),
        (3.2, 2, "(PVS) cannot be counted in this scan"),
    ],
)
def test_what_cannot_be_seen_is_said_and_not_counted(slice_mm, found, said):
    table = regions(Putamen=(found, 0))
    seen = {"regions": table, "objects": objects(*[0.4] * found), "slice_mm": slice_mm}
    text = section("findings", record={"pvs_found_again": 1.0}, **seen)
    assert said in text
    assert not re.search("take up|found again|How sure|probability", text)


def test_sides_that_are_not_known_are_no_sides_in_the_sentence():
    table = regions(Putamen=(1, 2))
    table["side"] = table["side"].replace({"left": "left?", "right": "right?"})
    text = section("findings", regions=table)
    assert "1 on the side taken for the right, 2 on the side taken for the left" in text
    assert "which side is which is not known" in text


def test_how_sure_says_what_to_look_at_first():
    record = {"pvs_found_again": 0.67}
    table = regions(Putamen=(3, 0))
    text = section("findings", regions=table, objects=objects(0.9, 0.8, 0.4), record=record)
    assert "67 % of these PVS are found again" in text
    assert "0.70 on average, from 0.40 to 0.90, 1 below 0.5: look at it first." in text
    sure = section("findings", regions=table, objects=objects(0.9, 0.8, 0.6))
    assert "from 0.60 to 0.90, none below 0.5." in sure


def test_what_is_bad_or_in_doubt_is_said_first():
    doubt = "The picture ends 0 mm from the nuclei: some of them may be cut off."
    table = regions(Putamen=(1, 0))
    for margin, doubts, said in (
        (0.2, [doubt], "Findings This result is not to be used"),
        (3.0, [doubt], "Findings This result is in doubt"),
        (20.0, [], "Findings One perivascular space"),
    ):
        report = {"regions": table, "quality": {"margin_mm": margin}, "doubts": doubts}
        assert section("findings", **report).startswith(said)
        text = section("doubts", **report)
        assert ("nothing beyond the usual was noticed" in text) == (not doubts)
        assert all(one in text for one in doubts)


def test_each_doubt_is_said_once():
    doubt = "The T2w is noisy: its signal is 10 times the noise."
    page = render_subject(
        SubjectReport(
            subject="sub-01",
            doubts=[doubt],
            quality={"t2w_snr": 10.0, "nuclei_sureness": 0.961},
            record={"nuclei_sureness": 0.961, "strategy": "manual"},
            parameters={"predict": {"strategy": "manual", "flips": False}},
        )
    )
    assert page.count(doubt) == 1
    assert page.count("0.961") == 1
    assert page.count(">manual<") == 1
    assert "beyond" in page


@pytest.mark.parametrize("word", ["Dice", "FWHM", "post-menstrual", "vesselness", "SNR"])
def test_technical_words_are_explained_where_they_stand_and_at_the_end(word):
    page = render_subject(SubjectReport(subject="sub-01", doubts=[f"A {word} & more"]))
    meaning = next(GLOSSARY[key] for key in GLOSSARY if key.lower().startswith(word.lower()))
    told = html.escape(meaning)
    assert f'A <abbr title="{told}">{word}</abbr> &amp; more' in page
    assert f"<dd>{meaning}</dd>".replace("'", "&#39;") in page
