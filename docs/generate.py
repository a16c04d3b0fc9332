"""Write what the documentation and the container take from the program.

The command line, tables of settings, columns and measures, JSON schemas, and a descriptor.

python docs/generate.py
"""

from __future__ import annotations

import argparse
import json
import math
import textwrap
from pathlib import Path
from typing import Any

from bgpvs_wf.cli.descriptor import boutiques_descriptor
from bgpvs_wf.cli.main import VERBS, build_parser
from bgpvs_wf.cli.parser import Parser
from bgpvs_wf.cohort.association.sites import SITE_COLUMNS
from bgpvs_wf.cohort.association.telling.table import TERM_COLUMNS
from bgpvs_wf.cohort.change.table import COLUMNS as CHANGE_COLUMNS
from bgpvs_wf.cohort.quality import AGE_COLUMNS
from bgpvs_wf.config import RunConfig
from bgpvs_wf.evaluation.experiment import ExperimentFile
from bgpvs_wf.evaluation.infants import HybridInfants, OwnInfants, SyntheticInfants
from bgpvs_wf.evaluation.score_tables import TABLES
from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.training.loop import TrainingConfig
from bgpvs_wf.learning.training.recipe import LABELS, RecipeFile
from bgpvs_wf.learning.training.recipe_tables import CoarseConfig, FineConfig, HeadConfig, PVSConfig
from bgpvs_wf.quality.measures import measures, quality_columns
from bgpvs_wf.quantification.columns import GROUP_COLUMNS, OBJECT_COLUMNS, REGION_COLUMNS
from bgpvs_wf.schema import json_schema, settings_table

DOCS = Path(__file__).resolve().parent
_RUN = {"$ref": "#/$defs/run"}
_WIDTH = 118
_TITLES = {"positional arguments": "what", "options": "options"}
_HEAD = (
    "Made by `docs/generate.py` from the program's parsers; `bgpvs-wf VERB --help` says the same. "
    "Options may be spelt with underscores. Without a verb, `bgpvs-wf BIDS_DIR OUT_DIR "
    "participant` is `run`."
)


def generated() -> dict[Path, str]:
    """Return the files that are made, each with the text that it has to have."""
    reference, checking = DOCS / "reference", DOCS / "how-to" / "checking.md"
    settings, outputs = reference / "settings.md", reference / "outputs.md"
    return {
        reference / "command-line.md": _command_line(),
        settings: _with_table(settings, "settings", settings_table(RunConfig)),
        outputs: _with_table(outputs, "columns", _columns()),
        checking: _with_table(checking, "measures", _measures_table()),
        DOCS / "schema" / "run.json": _text("Settings of bgpvs-wf run", _run()),
        DOCS / "schema" / "experiment.json": _text("Experiment of bgpvs-wf compare", _experiment()),
        DOCS / "schema" / "recipe.json": _text("Recipe of bgpvs-wf train", _recipe()),
        DOCS.parent / "containers" / "boutiques.json": _json(boutiques_descriptor()),
    }


def _with_table(path: Path, name: str, table: str) -> str:
    """Return a page with a new table between its marks."""
    begin, end = f"<!-- {name}: made by docs/generate.py -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


def _command_line() -> str:
    """Return a page with a section for each verb, from its parser."""
    parser = build_parser()
    parts = ["# Command line", _filled(_HEAD)]
    for verb in VERBS:
        leaf = parser.leaf([verb])
        parts += _section(leaf, "##")
        for inner in _verbs_of(leaf):
            parts += _section(inner, "###")
    return "\n\n".join(parts) + "\n"


def _verbs_of(parser: Parser) -> list[Parser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return list(action.choices.values())
    return []


def _section(parser: Parser, level: str) -> list[str]:
    given = [one for one in parser._actions if not one.option_strings or one.required]
    call = " ".join([parser.prog, *map(_word, given)])
    parts = [f"{level} {parser.prog}", "<!-- example -->", f"    {call}"]
    parts += [_filled(parser.description)] if parser.description else []
    for group in parser._action_groups:
        rows = [_row(parser, one) for one in group._group_actions if _is_told(one)]
        if rows:
            title = _TITLES.get(group.title or "", group.title)
            parts.append("\n".join([f"| {title} | |", "|---|---|", *rows]))
    return [*parts, _filled(parser.epilog)] if parser.epilog else parts


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH, break_long_words=False)


def _is_told(action: argparse.Action) -> bool:
    return not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))


def _row(parser: Parser, action: argparse.Action) -> str:
    names = action.option_strings or [_metavar(action)]
    values = [_metavar(action)] if action.option_strings and action.nargs != 0 else []
    told = [", ".join(f"`{name}`" for name in names), *(f"`{value}`" for value in values)]
    # Fills in the defaults that formatters of some verbs add.
    about = parser._get_formatter()._expand_help(action) if action.help else ""
    cells = [" ".join(text.split()).replace("|", "\\|") for text in (" ".join(told), about)]
    return f"| {' | '.join(cells)} |"


def _word(action: argparse.Action) -> str:
    """Return an argument as a call has it."""
    if action.option_strings:
        return f"{action.option_strings[0]} {_metavar(action)}"
    return f"[{_metavar(action)}]" if action.nargs in ("?", "*") else _metavar(action)


def _metavar(action: argparse.Action) -> str:
    """Return what stands for the value of an argument."""
    names = action.metavar
    if names is None:
        names = "{" + ",".join(action.choices) + "}" if action.choices else action.dest.upper()
    text = " ".join(names) if isinstance(names, tuple) else names
    return f"{text} ..." if action.nargs in ("+", "*") else text


def _columns() -> str:
    """Return the tables of columns, each below the name of the table it is of."""
    quality = quality_columns() | AGE_COLUMNS
    tables = {
        "desc-pvs_objects.tsv": OBJECT_COLUMNS,
        "desc-bgpvs_morph.tsv": REGION_COLUMNS,
        "group_bgpvs.tsv": GROUP_COLUMNS,
        "desc-bgpvs_quality.tsv, group_qc.tsv": quality,
        "desc-pvs_change.tsv": CHANGE_COLUMNS,
        "association.tsv": TERM_COLUMNS,
        "association_sites.tsv": SITE_COLUMNS,
        **{f"evaluation_{name}.tsv": columns for name, columns in TABLES.items()},
    }
    return "\n".join(_columns_table(name, columns) for name, columns in tables.items())


def _columns_table(name: str, columns: dict[str, dict[str, str]]) -> str:
    rows = [f"### {name}", "", "| column | what | unit |", "|---|---|---|"]
    for column, about in columns.items():
        rows.append(f"| `{column}` | {about['Description']} | {about.get('Units', '')} |")
    return "\n".join(rows) + "\n"


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
    return _json(head | schema)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


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
