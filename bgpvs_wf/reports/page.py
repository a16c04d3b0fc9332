"""Templates made into HTML pages that need nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render(template: str, content: Mapping[str, Any]) -> str:
    """Fill a template of this package; text is escaped, and a missing name is an error.

    Parameters
    ----------
    template : str
        Name of a file in `templates`.
    content : mapping
        Names in the template to values.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("bgpvs_wf.reports"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(content)
