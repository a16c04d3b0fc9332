"""`bgpvs-wf run --dry-run`: the subjects, what each has, what would run and why; runs nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.cli.terminal import say
from bgpvs_wf.config import RunConfig

if TYPE_CHECKING:
    from bgpvs_wf.engine.forecast import Forecast

_AGE = "age (weeks\npost-menstrual)"


def dry_run(config: RunConfig, verbose: bool = False) -> int:
    """Show what a run would do; return its exit status."""
    from bgpvs_wf.bids.query import find_subjects
    from bgpvs_wf.engine.forecast import forecast
    from bgpvs_wf.engine.logs import logged_to
    from bgpvs_wf.engine.summary import left_out_lines
    from bgpvs_wf.workflows.base import init_subjects_wf

    cohort = find_subjects(config)
    with logged_to(Path(os.devnull)):
        plans, workflow = forecast(config, cohort.subjects, init_subjects_wf)
        drawing = _draw(config, workflow) if workflow is not None else None
    _show_table(plans)
    for plan in plans if verbose else ():
        notes = [note for note in (plan.subject.age_note, *plan.subject.notes) if note]
        say(*(f"{plan.subject.label}: {note}" for note in notes))
    say(*(f"cannot run: {problem.message}" for problem in cohort.problems))
    if verbose:
        say(*(f"left out: {line}" for line in cohort.left_out))
    else:
        say(*left_out_lines(cohort.left_out))
    to_run = sum(any(plan.stages.values()) for plan in plans)
    cannot = len(cohort.problems) + sum(plan.cannot for plan in plans)
    say(f"{to_run} of {len(plans)} would run; nothing was run.")
    if cannot:
        who = "Nobody can" if cannot == len(plans) + len(cohort.problems) else f"{cannot} cannot"
        say(f"{who} run, for the reasons above.")
    if drawing is not None:
        hint = "" if drawing.suffix == ".svg" else " (install graphviz to have it drawn)"
        say(f"Workflow: {drawing}{hint}")
    return 1 if cannot else 0


def _draw(config: RunConfig, workflow: Any) -> Path:
    from bgpvs_wf.bids.derivatives import logs_path
    from bgpvs_wf.engine.preview import draw
    from bgpvs_wf.engine.resources import require_writable

    folder = logs_path(config.output_dir)
    require_writable(folder, "log folder")
    return draw(workflow, folder / "workflow")


def _show_table(plans: Sequence[Forecast]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("subject", "T2w", "T1w", "mask", "dseg", _AGE, "would run", "why"):
        table.add_column(name, overflow="fold", no_wrap=name == _AGE)
    for plan in plans:
        one = plan.subject
        files = (one.t2w, one.t1w, one.brain_mask, one.dseg)
        age = f"{one.age_weeks:.1f}" if one.age_weeks is not None else "unknown"
        table.add_row(one.label, *map(_mark, files), age, _stages(plan.stages), plan.why)
    wide = None if sys.stdout.isatty() else max(shutil.get_terminal_size().columns, 160)
    Console(width=wide, markup=False).print(table)


def _mark(path: Path | None) -> str:
    return "yes" if path is not None else "-"


def _stages(stages: Mapping[str, bool]) -> str:
    running = [name for name, runs in stages.items() if runs]
    reused = [name for name, runs in stages.items() if not runs]
    if not running:
        return "-"
    return ", ".join(running) + (f" (reuses {', '.join(reused)})" if reused else "")
