"""Write what the documentation takes from the program: the table of settings, and JSON schemas.

python docs/generate.py
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from bgpvs_wf.config import RunConfig
from bgpvs_wf.evaluation.experiment import ExperimentFile
from bgpvs_wf.evaluation.infants import HybridInfants, OwnInfants, SyntheticInfants
from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.training.loop import TrainingConfig
from bgpvs_wf.learning.training.recipe import LABELS, RecipeFile
from bgpvs_wf.learning.training.recipe_tables import CoarseConfig, FineConfig, HeadConfig, PVSConfig
from bgpvs_wf.quality.measures import measures
from bgpvs_wf.schema import json_schema, settings_table

DOCS = Path(__file__).resolve().parent
_RUN = {"$ref": "#/$defs/run"}


def generated() -> dict[Path, str]:
    """Return the files that are made, each with the text that it has to have."""
    running, checking = DOCS / "how-to" / "running.md", DOCS / "checking.md"
    return {
        running: _with_table(running, "settings", settings_table(RunConfig)),
        checking: _with_table(checking, "measures", _measures_table()),
        DOCS / "schema" / "run.json": _text("Settings of bgpvs-wf run", _run()),
        DOCS / "schema" / "experiment.json": _text("Experiment of bgpvs-wf compare", _experiment()),
        DOCS / "schema" / "recipe.json": _text("Recipe of bgpvs-wf train", _recipe()),
    }


def _with_table(path: Path, name: str, table: str) -> str:
    """Return a page with a new table between its marks."""
    begin, end = f"<!-- {name}: made by docs/generate.py -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


def _measures_table() -> str:
    rows = ["| measure | what | usual | beside others |", "|---|---|---|---|"]
    for one in measures().values():
        unit = {"percent": "%", "": ""}.get(one.unit, one.unit)
        bounds = [f"from {one.look_below:g}"] if math.isfinite(one.look_below) else []
        bounds += [f"up to {one.look_above:g}"] if math.isfinite(one.look_above) else []
        usual = f"{' '.join(bounds)} {unit}".strip() if bounds else ""
        beside = {"both": "low or high"}.get(one.cohort, one.cohort)
        rows.append(f"| `{one.name}` | {one.meaning} | {usual} | {beside} |")
    return "\n".join(rows) + "\n"


def _text(title: str, schema: dict[str, Any]) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps(head | schema, indent=1, ensure_ascii=False) + "\n"


def _run() -> dict[str, Any]:
    return json_schema(RunConfig, partial=True)


def _experiment() -> dict[str, Any]:
    return _with_tables(
        ExperimentFile, run=_RUN, strategies=_named(_RUN), cohorts=_named(_cohort())
    )


def _recipe() -> dict[str, Any]:
    augmentation = json_schema(AugmentationConfig)
    coarse = json_schema(CoarseConfig)
    coarse["properties"]["augmentation"] = augmentation
    training = json_schema(TrainingConfig)
    del training["properties"]["steps"]  # each network's own table has them
    of_labels = {
        "labels": {"enum": list(LABELS)},
        "held_out": json_schema(RecipeFile)["properties"]["held_out"],
    }
    return _with_tables(
        RecipeFile,
        cohorts=_named(_cohort(of_labels)),
        head=json_schema(HeadConfig),
        coarse=coarse,
        fine=json_schema(FineConfig),
        pvs=json_schema(PVSConfig),
        training=training,
        augmentation=augmentation,
        run=_RUN,
    )


def _cohort(more: dict[str, Any] | None = None) -> dict[str, Any]:
    kinds = [json_schema(kind) for kind in (SyntheticInfants, HybridInfants, OwnInfants)]
    for kind in kinds:
        kind["properties"] |= {"run": _RUN, **(more or {})}
    return {"anyOf": kinds}


def _with_tables(kind: type, **tables: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a file, with those of the tables that it only says to be some."""
    schema = json_schema(kind)
    schema["properties"] |= tables
    return schema | {"$defs": {"run": _run()}}


def _named(table: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a table whose keys are names that the user gives."""
    return {"type": "object", "additionalProperties": table}


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
