"""The page of a cohort: one HTML file to sort, filter, walk through and rate its subjects."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bgpvs_wf.cohort.advice import ADVICE
from bgpvs_wf.reports.group.content import page_data, thumbnails
from bgpvs_wf.reports.group.rows import Column, Row
from bgpvs_wf.reports.page import render


def render_group(
    rows: Sequence[Row],
    columns: Sequence[Column],
    *,
    title: str,
    facts: Sequence[str] = (),
    warnings: Sequence[str] = (),
    key: str = "",
    excluded: int = 0,
) -> str:
    """Return the HTML of a cohort's page, the same text for the same rows.

    Parameters
    ----------
    rows : sequence of Row
        In any order; the page starts with those that need to be looked at.
    columns : sequence of Column
        In the order of the table.
    title : str
        Name of the data set.
    facts : sequence of str
        Below the title, a few words each.
    warnings : sequence of str
        What concerns the whole cohort.
    key : str
        Says which data set the ratings in a browser belong to: another key, other ratings.
        Default: the title.
    excluded : int
        So many were left out before and have no row; the page says so.

    Returns
    -------
    str
        HTML that needs nothing else, but for the pages and figures that the rows name.

    Raises
    ------
    ValueError
        If rows and columns contradict each other; see `bgpvs_wf.reports.group.content`.
    """
    said = [*facts, f"{excluded} left out, not on this page"] if excluded else list(facts)
    content = {
        "title": title,
        "facts": said,
        "warnings": list(warnings),
        "columns": list(columns),
        "advice": ADVICE,
        "count": len(rows),
        "data": page_data(rows, columns, key or title),
        "thumbnails": thumbnails(rows),
    }
    return render("group.html", content)


def write_group_page(
    rows: Sequence[Row],
    columns: Sequence[Column],
    path: str | os.PathLike[str],
    *,
    title: str,
    facts: Sequence[str] = (),
    warnings: Sequence[str] = (),
    key: str = "",
    excluded: int = 0,
) -> Path:
    """Write a cohort's page; it appears whole or not at all. Parameters as of `render_group`.

    Raises
    ------
    BGPVSError
        If the folder cannot be written to or the disk is full.
    ValueError
        As `render_group`.
    """
    from bgpvs_wf.imaging.files import write_text

    page = render_group(
        rows, columns, title=title, facts=facts, warnings=warnings, key=key, excluded=excluded
    )
    return write_text(page, path)
