"""Files that hybrids and scores are made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bgpvs_wf.bids.inputs import SubjectInputs
    from bgpvs_wf.phantom.hybrid_dataset import Nuclei


def hybrid_sources(
    bids_dir: Path, scans: Iterable[SubjectInputs], nuclei: Mapping[str, Nuclei]
) -> list[Path]:
    """Return all files that hybrids are made of.

    Parameters
    ----------
    bids_dir : Path
    scans : iterable of SubjectInputs
    nuclei : mapping
        By `SubjectInputs.label`; see `bgpvs_wf.phantom.hybrid_dataset.find_nuclei`.

    Returns
    -------
    list of Path
        Images with their sidecars, nuclei, and tables of participants and sessions.
    """
    wanted = {bids_dir / "participants.tsv", bids_dir / "participants.json"}
    wanted.add(bids_dir / "sessions.json")
    for scan in scans:
        for image in filter(None, (scan.t2w, scan.t1w)):
            wanted |= {image, image.with_name(image.name.split(".", 1)[0] + ".json")}
        wanted.update(filter(None, nuclei.get(scan.label, ())))
        subject = f"sub-{scan.subject}"
        for kind in ("tsv", "json"):
            wanted.add(bids_dir / subject / f"{subject}_sessions.{kind}")
    return [path for path in sorted(wanted) if path.is_file()]


def evaluated_files(folders: Iterable[Path]) -> list[Path]:
    """Return all files in some folders that an evaluation reads."""
    from bgpvs_wf.evaluation.case_files import find_cases

    return [
        path
        for folder in folders
        if folder.is_dir()
        for files in find_cases(folder).values()
        for kind in files.values()
        for path in kind
    ]
