"""Where things are, for somebody whose output folder has its first results."""

from __future__ import annotations

import os
from pathlib import Path

from bgpvs_wf.engine.summary import Report


def has_results(output_dir: Path) -> bool:
    """Return whether an output folder has a page of anybody."""
    return any(output_dir.glob("*.html"))


def first_look(report: Report, work_dir: Path) -> list[str]:
    """Return what to open first, and where tables and intermediate results are.

    Parameters
    ----------
    report : Report
    work_dir : Path
        Folder of intermediate results.
    """
    if not has_results(report.output_dir):
        return []
    page = "group.html, which leads to everybody's page" if report.group_page else "sub-*.html"
    lines = ["Where to look, since these are the first results here:", f"  open first: {page}"]
    tables = "sub-*/**/anat/*.tsv of each infant"
    if report.group_table:
        tables = f"group_bgpvs.tsv and group_qc.tsv of all, {tables}"
    lines.append(f"  tables: {tables}")
    if work_dir.is_dir():
        size = told_size(folder_bytes(work_dir))
        lines.append(
            f"  work folder: {work_dir} ({size}); keep it while the cohort grows or settings "
            "change, then it may be deleted"
        )
    return lines


def folder_bytes(folder: Path) -> int:
    """Return what the files below a folder hold; links are not followed."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except OSError:  # gone meanwhile
                continue
    return total


def told_size(size: int) -> str:
    """Return a number of bytes to look at.

    Examples
    --------
    >>> told_size(3_400_000_000), told_size(52_000_000), told_size(12)
    ('3.2 GB', '50 MB', '1 MB')
    """
    megabytes = size / 1024**2
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 1000 else f"{max(megabytes, 1):.0f} MB"
