"""What to cite for some results: what the pages of their infants cite, atlases, associations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgpvs_wf._version import __version__
from bgpvs_wf.bids.folders import PIPELINE
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.json_shapes import check_shape
from bgpvs_wf.reading import load_json, why_not
from bgpvs_wf.reports.methods import cited_keys
from bgpvs_wf.reports.references import OF_ASSOCIATION, REFERENCES, Reference
from bgpvs_wf.studies.association import FOLDER as ASSOCIATION

_SIDECAR = "anat/sub-*_desc-bgpvs_dseg.json"


@dataclass(frozen=True)
class Citations:
    """What to cite."""

    versions: tuple[str, ...]
    """Of the program that made the results."""
    references: dict[str, Reference]
    """By their keys, in the order of `REFERENCES`."""
    atlases: dict[str, str]
    """Name of an atlas that was asked for to what its makers want cited; empty if nobody told."""
    unnamed_atlases: bool = False
    """Whether atlases were matched by age: each infant's page names its own."""


def what_to_cite(out: Path | None = None) -> Citations:
    """Return what to cite for the results in a folder; without one, all there may be.

    Raises
    ------
    UsageError
        If the folder has no results.
    BGPVSError
        If a sidecar is damaged.
    """
    if out is None:
        return Citations((__version__,), dict(REFERENCES), _atlas_citations(None))
    keys: set[str] = set()
    versions: set[str] = set()
    asked: set[str] = set()
    unnamed = False
    for images, sidecar in _sidecars(out):
        parameters = sidecar["Parameters"]
        told = cited_keys(images, parameters)
        keys.update(told)
        versions.add(sidecar["PackageVersions"][PIPELINE])
        if "syn" in told:
            names = parameters["anatomy"].get("atlases") or ()
            asked.update(map(str, names))
            unnamed |= not names
    if not versions:
        raise UsageError(
            f"{out} has no results that say what made them; give the OUT_DIR of `bgpvs-wf run`."
        )
    if (out / ASSOCIATION).is_dir():
        keys.update(OF_ASSOCIATION)
    chosen = {key: one for key, one in REFERENCES.items() if key in keys}
    return Citations(tuple(sorted(versions)), chosen, _atlas_citations(asked), unnamed)


def _sidecars(out: Path) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Yield each infant's images and what the sidecar of its labels says."""
    for path in sorted([*out.glob(f"sub-*/{_SIDECAR}"), *out.glob(f"sub-*/ses-*/{_SIDECAR}")]):
        try:
            content = load_json(path)
            check_shape(content, {"Parameters": dict, "PackageVersions": {PIPELINE: str}})
        except (OSError, ValueError) as error:
            why = why_not(error, path)
            raise BGPVSError(
                f"{path} does not say what made it ({why}): it is damaged, or of an older version; "
                "remove it, and run its subject again."
            ) from error
        yield [name for name in ("T2w", "T1w") if _is_there(path.parent, name)], content


def _is_there(anat: Path, name: str) -> bool:
    return any(anat.glob(f"sub-*_desc-preproc_{name}.nii.gz"))


def _atlas_citations(names: set[str] | None) -> dict[str, str]:
    """Return what to cite for some atlases, or for all that are known."""
    from bgpvs_wf.anatomy.registry import known_atlases

    known = {atlas.name: atlas.citation for atlas in known_atlases()}
    chosen = sorted(known if names is None else names)
    return {Path(name).name: known.get(Path(name).name, "") for name in chosen}
