"""The file of ``--bids-filter-file``: which of several images to take, as in fMRIPrep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bgpvs_wf.bids.index import IndexedFile
from bgpvs_wf.errors import UsageError
from bgpvs_wf.reading import load_json, why_not

QUERIES = ("t2w", "t1w", "mask", "dseg")
"""What can be filtered here."""
# Others' queries, so that one file can serve several BIDS Apps.
_FOREIGN = {"bold", "sbref", "fmap", "flair", "roi", "dwi", "asl", "m0scan", "xfm", "anat", "pet"}
_ENTITIES = {
    "subject", "session", "sample", "acquisition", "ceagent", "reconstruction", "run", "echo",
    "flip", "inv", "mt", "part", "chunk", "space", "res", "desc", "label", "segmentation",
    "suffix", "extension", "datatype", "atlas",
}  # fmt: skip
_NUMBER = re.compile("[0-9]+")


def read_filters(path: Path | None) -> dict[str, dict[str, Any]]:
    """Read a filter file, such as ``{"t2w": {"acquisition": "highres", "run": [1, 2]}}``.

    Values are one label or a list of them; null (or ``"Query.NONE"``) means that the entity
    must be absent, ``"Query.ANY"`` that it must be there.

    Raises
    ------
    UsageError
        If the file cannot be read, or names a query or entity that nobody knows.
    """
    if path is None:
        return {}
    try:
        content = load_json(path)
    except OSError as error:
        raise UsageError(
            f"Cannot read the filter file {path}: {why_not(error, path)}; correct the path."
        ) from error
    except ValueError as error:
        raise UsageError(
            f"The filter file {path} is not valid JSON: {why_not(error, path)}; repair it."
        ) from error
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise UsageError(f'The filter file {path} must look like {{"t2w": {{"run": 1}}}}.')
    for query, entities in content.items():
        if query not in QUERIES and query not in _FOREIGN:
            raise UsageError(
                f"The filter file {path} has a query '{query}'; known: {', '.join(QUERIES)}."
            )
        unknown = sorted(set(entities) - _ENTITIES) if query in QUERIES else []
        if unknown:
            raise UsageError(
                f"The filter file {path} has an entity '{unknown[0]}' in '{query}'; "
                f"known: {', '.join(sorted(_ENTITIES))}."
            )
        for name, value in entities.items() if query in QUERIES else ():
            if not all(map(_is_value, value if isinstance(value, list) else [value])):
                raise UsageError(
                    f"The filter file {path} asks for {name} {json.dumps(value)} in '{query}'; "
                    "give a label, a whole number, null, or a list of these."
                )
    return {query: content[query] for query in QUERIES if query in content}


def passing(files: Iterable[IndexedFile], entities: Mapping[str, Any]) -> list[IndexedFile]:
    """Return the files whose names have all the entities asked for."""
    return [
        file
        for file in files
        if all(_matches(file.entities.get(name), value) for name, value in entities.items())
    ]


def _is_value(value: Any) -> bool:
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))


def _matches(actual: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return any(_matches(actual, one) for one in wanted)
    if wanted is None or wanted == "Query.NONE":
        return actual is None
    if wanted == "Query.ANY":
        return actual is not None
    if isinstance(actual, int) and _NUMBER.fullmatch(str(wanted)):
        return int(actual) == int(wanted)  # run-01 is run 1
    return actual is not None and str(actual) == str(wanted)
