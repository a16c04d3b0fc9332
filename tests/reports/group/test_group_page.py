from __future__ import annotations

import dataclasses
import html.parser
import json
import math
import re
import time

import pytest
from cohort_toy import toy_columns, toy_rows

from bgpvs_wf.cohort.advice import Reason
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.reports.group.page import render_group, write_group_page
from bgpvs_wf.reports.group.rows import Column, Row

NASTY = "</script><script>alert(1)</script> \"quoted\" 'too' & <!-- ünïcödé 🧠 \u2028"


def page_of(rows, columns=None, **more) -> str:
    return render_group(rows, columns or toy_columns(), title="A cohort", **more)


def block(page: str, name: str):
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
    return json.loads(found[1], parse_constant=lambda word: pytest.fail(word))


class Addresses(html.parser.HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.found += [v for k, v in attributes if k in ("src", "href", "srcset", "action")]


def test_page_needs_nothing_else_and_is_the_same_every_time():
    rows = toy_rows()
    page = page_of(rows)
    assert page == page_of(rows)
    addresses = Addresses()
    addresses.feed(page)
    assert addresses.found == []  # pictures and links are made by the script, from the rows
    assert not re.search(r"@import|url\(", page)
    assert set(re.findall(r"https?://[\w./]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'; img-src data: 'self' file:;" in page


def test_text_that_could_end_the_script_stays_text():
    nasty = Row(NASTY, 50.0, "look", {}, (Reason(NASTY),), note=NASTY)
    page = render_group([nasty], [Column("a", NASTY, NASTY)], title=NASTY, warnings=[NASTY])
    assert "<script>alert" not in page
    (row,) = block(page, "data")["rows"]
    assert row["label"] == row["note"] == row["reasons"][0]["sentence"] == NASTY


def test_what_is_not_finite_is_missing():
    values = {"a": math.nan, "b": math.inf, "c": None, "d": 1 / 3, "e": 2.0}
    columns = [Column(name, name, name) for name in [*values, "absent"]]
    page = page_of([Row("sub-01", math.nan, "good", values)], columns)
    (row,) = block(page, "data")["rows"]
    assert row["values"] == [None, None, None, 0.333333, 2, None]
    assert row["age"] is None


def test_reasons_lead_to_their_columns():
    reasons = (Reason("Far.", "b"), Reason("None."), Reason("Not shown.", "z"))
    row = Row("sub-01", 50.0, "bad", {}, reasons)
    page = page_of([row], [Column("a", "A", "A."), Column("b", "B", "B.")])
    found = block(page, "data")["rows"][0]["reasons"]
    assert [reason["column"] for reason in found] == [1, None, None]


def test_thumbnails_are_apart_from_the_table():
    rows = toy_rows(3)
    page = page_of([*rows[:2], dataclasses.replace(rows[2], thumbnail=b"")])
    first, second, none = block(page, "thumbnails")
    assert first.startswith("/9j/")
    assert second.startswith("/9j/")
    assert none == ""
    assert "<img src" not in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"advice": "maybe"},
        {"rating": "good"},
        {"page": "https://example.org/"},
        {"viewer": "javascript:alert(1)"},
        {"figure": "/etc/passwd"},
        {"label": "sub-002_ses-3m"},
    ],
)
def test_rows_that_contradict_the_page_are_refused(wrong):
    rows = toy_rows(2)
    with pytest.raises(ValueError, match=r"sub-00"):
        page_of([dataclasses.replace(rows[0], **wrong), rows[1]])


def test_a_column_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        page_of([], [*toy_columns(), *toy_columns()])


def test_page_without_a_subject_says_so():
    page = page_of([])
    assert "There is no subject to show." in page
    assert "<script" not in page


def test_page_says_what_it_is_about():
    page = page_of(toy_rows(1), facts=["one infant"], warnings=["Take care."], excluded=3)
    assert "<title>A cohort</title>" in page
    for said in ("one infant", "Take care.", "3 left out, not on this page"):
        assert f"<li>{said}</li>" in page
    assert block(page, "data")["key"] == "A cohort"
    assert block(page_of(toy_rows(1), key="0123abcd"), "data")["key"] == "0123abcd"


def test_page_is_written_whole_or_not_at_all(tmp_path):
    path = write_group_page(toy_rows(2), toy_columns(), tmp_path / "out" / "group.html", title="A")
    assert path.read_text(encoding="utf-8") == render_group(toy_rows(2), toy_columns(), title="A")
    assert [p.name for p in path.parent.iterdir()] == ["group.html"]
    with pytest.raises(BGPVSError, match=r"nested\.html"):
        write_group_page([], [], path / "nested.html", title="A")


def test_a_thousand_rows_make_a_page_that_is_not_too_large():
    some = toy_rows(50, columns=40)
    rows = [dataclasses.replace(some[at % 50], label=f"sub-{at:04d}") for at in range(1000)]
    start = time.perf_counter()
    page = page_of(rows, toy_columns(40))
    assert time.perf_counter() - start < 10
    assert len(page.encode()) < 12e6
