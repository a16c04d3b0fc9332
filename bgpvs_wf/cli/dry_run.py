"""`bgpvs-wf run --dry-run`: the subjects, what each has, what would run and why; runs nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import BGPVSError


@dataclass(frozen=True)
class _Plan:
    """What would be done with a subject."""

    subject: SubjectInputs
    stages: Mapping[str, bool]
    """Stage to whether it would run; none where the subject is finished, or cannot run."""
    why: str
    cannot: bool = False
    """It cannot run."""


def dry_run(config: RunConfig, verbose: bool = False) -> int:
    """Show what a run would do; return its exit status."""
    from bgpvs_wf.bids.query import find_subjects
    from bgpvs_wf.engine.logs import logged_to
    from bgpvs_wf.engine.summary import left_out_lines

    cohort = find_subjects(config)
    with logged_to(Path(os.devnull)):
        plans, workflow = _plan(config, cohort.subjects)
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


def _plan(config: RunConfig, subjects: tuple[SubjectInputs, ...]) -> tuple[list[_Plan], Any | None]:
    """Plan each subject; return a workflow to draw, too: the first that can be built."""
    from bgpvs_wf.bids.derivatives import expected_outputs
    from bgpvs_wf.engine.jobs import Job
    from bgpvs_wf.engine.ledger import Ledger
    from bgpvs_wf.engine.preview import stages_to_run
    from bgpvs_wf.engine.runner import write_missing_again
    from bgpvs_wf.workflows.base import init_subjects_wf

    ledger = Ledger.of(config.output_dir)
    plans, first = [], None
    for subject in subjects:
        outputs = expected_outputs(config, subject)
        reasons = ledger.reasons(config, subject, outputs)
        stages: Mapping[str, bool] = {}
        why, cannot = "; ".join(reasons) or "finished", False
        if reasons or first is None:
            try:
                workflow = init_subjects_wf(config, [subject])
                first = first or workflow
                if reasons:
                    write_missing_again(workflow, [Job(subject, outputs)])
                    (stages,) = stages_to_run(workflow).values()
            except BGPVSError as error:
                if reasons:  # who is finished needs no workflow
                    why, cannot = f"cannot run: {error}", True
        plans.append(_Plan(subject, stages, why, cannot))
    return plans, first


def _draw(config: RunConfig, workflow: Any) -> Path:
    from bgpvs_wf.bids.derivatives import logs_path
    from bgpvs_wf.engine.preview import draw
    from bgpvs_wf.engine.resources import require_writable

    folder = logs_path(config.output_dir)
    require_writable(folder, "log folder")
    return draw(workflow, folder / "workflow")


def _show_table(plans: list[_Plan]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("subject", "T2w", "T1w", "mask", "dseg", "age (weeks)", "would run", "why"):
        table.add_column(name, overflow="fold")
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
