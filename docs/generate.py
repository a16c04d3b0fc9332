"""Write what the documentation takes from the program: the table of settings, and JSON schemas.

python docs/generate.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bgpvs_wf.config import RunConfig
from bgpvs_wf.schema import json_schema, settings_table

DOCS = Path(__file__).resolve().parent
BEGIN, END = "<!-- settings: made by docs/generate.py -->\n", "<!-- end of settings -->\n"


def generated() -> dict[Path, str]:
    """Return the files that are made, each with the text that it has to have."""
    usage = DOCS / "usage.md"
    before, _, rest = usage.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return {
        usage: f"{before}{BEGIN}\n{settings_table(RunConfig)}\n{END}{after}",
        DOCS / "schema" / "run.json": _schema(
            "Settings of bgpvs-wf run", json_schema(RunConfig, partial=True)
        ),
    }


def _schema(title: str, schema: dict[str, Any]) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return json.dumps(head | schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
