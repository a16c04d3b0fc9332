"""What a run comes to, in plain lines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bgpvs_wf.bids.inputs import LABEL
from bgpvs_wf.cohort.advice import ADVICE
from bgpvs_wf.engine.crashes import Crash
from bgpvs_wf.engine.jobs import ELSEWHERE, NOT_RUN, SUBMITTED, Outcome
from bgpvs_wf.engine.progress import DONE, FAILED
from bgpvs_wf.errors import BGPVSError

LAST_RUN_FAILED = "its last run failed"
_SHOWN = 10
"""Pages and subjects listed one by one."""
_FEW = 3
"""So many subjects have their pages listed beside that of all."""
_LABEL = re.compile(rf"sub-{LABEL}(?:_ses-{LABEL})?")


@dataclass
class Report:
    """What became of a cohort."""

    output_dir: Path
    outcomes: list[Outcome] = field(default_factory=list)
    """Of the subjects that were run, or that could not even begin."""
    finished_before: list[str] = field(default_factory=list)
    """Who was left alone, since nothing has changed; these are not in `outcomes`."""
    warnings: dict[str, str] = field(default_factory=dict)
    """What the images of a finished subject contradict, by its label."""
    pages: list[Path] = field(default_factory=list)
    group_table: Path | None = None
    group_page: Path | None = None
    advised: Mapping[str, int] = field(default_factory=dict)
    """How many the page of the cohort advises to keep, to look at, and not to use."""
    excluded: Sequence[str] = ()
    """Who was left out of the group level as it was rated."""
    rated_unknown: Sequence[str] = ()
    """Who was rated, and has no results."""
    group_error: BGPVSError | None = None
    """What kept the table of all from being written."""
    left_out_of_table: Mapping[str, str] = field(default_factory=dict)
    """Subjects with results that are not in the table, and why."""
    not_alike: Sequence[str] = ()
    """What those in the table were made with that is not the same in all, sentences."""
    left_out: list[str] = field(default_factory=list)
    """Files of the dataset that were not taken, and why."""
    log_file: Path | None = None
    config_file: Path | None = None

    def labels(self, state: str) -> list[str]:
        """Return the subjects in a state: `done`, `failed`, `not run`, `elsewhere`, `submitted`."""
        return [outcome.label for outcome in self.outcomes if outcome.state == state]

    @property
    def complete(self) -> bool:
        """Whether nobody failed, was left out, or is still being run by another program."""
        if self.group_error is not None or self.left_out_of_table:
            return False
        return not any(map(self.labels, (FAILED, NOT_RUN, ELSEWHERE)))

    def lines(self) -> list[str]:
        """Return the summary: who is done, who failed or is in doubt and why, where results are."""
        told = [*self._counts(), *self._failures(), *self._warnings()]
        return [*told, *left_out_lines(self.left_out), *self._places(), *self.not_alike]

    def _counts(self) -> list[str]:
        lines = []
        if self.finished_before and not self.outcomes:
            who = _count(self.finished_before)
            lines.append(f"Nothing to do: {who} finished before, and nothing has changed since.")
        elif self.finished_before:
            lines.append(f"Unchanged: {_count(self.finished_before)} finished before.")
        done = [outcome for outcome in self.outcomes if outcome.state == DONE]
        if done:
            lines.append(f"Done: {_count([outcome.label for outcome in done])}.")
        lines += [_reuse(outcome) for outcome in done if outcome.reused]
        lines += [
            f"Running elsewhere: {outcome.label}, by {outcome.holder}; run the same command again "
            "when that is over."
            for outcome in self.outcomes
            if outcome.state == ELSEWHERE
        ]
        for state, text in (
            (SUBMITTED, "Submitted: {}; run the same command again when their jobs are over."),
            (NOT_RUN, "Not run: {}, because of the failure below."),
            (FAILED, "Failed: {}:"),
        ):
            labels = self.labels(state)
            if labels:
                lines.append(text.format(_count(labels)))
        return lines

    def _failures(self) -> list[str]:
        lines = []
        for outcome in self.outcomes:
            if outcome.state != FAILED:
                continue
            # A folder that is no subject cannot be run again before it is renamed.
            config_file = self.config_file if _LABEL.fullmatch(outcome.label) else None
            first, *others = failure_lines(outcome.label, outcome.failures, config_file)
            lines += [f"  {outcome.label}: {first}", *others]
        return lines

    def _warnings(self) -> list[str]:
        if not self.warnings:
            return []
        told = [f"  {label}: {text}" for label, text in self.warnings.items()]
        return [
            f"In doubt: {_count(self.warnings)}:",
            *first_lines(told, "more, as their pages say"),
        ]

    def _left_out(self) -> list[str]:
        if not self.left_out:
            return []
        return ["Left out:", *first_lines([f"  {line}" for line in self.left_out], "files more")]

    def _places(self) -> list[str]:
        lines = [f"Results: {self.output_dir}"] if self.output_dir.is_dir() else []
        lines += self._pages()
        if self.group_table:
            lines.append(f"  table of all: {self.group_table}")
        if self.excluded:
            lines.append(f"  left out, as they were rated: {_count(self.excluded)}")
        if self.rated_unknown:
            lines.append(f"  rated, but without results: {_count(self.rated_unknown)}")
        failed = [who for who, why in self.left_out_of_table.items() if why == LAST_RUN_FAILED]
        if failed:
            lines.append(f"  not in the table, since their last run failed: {_count(failed)}")
        told = [
            f"  not in the table: {who}: {why}"
            for who, why in self.left_out_of_table.items()
            if why != LAST_RUN_FAILED
        ]
        lines += first_lines(told, "subjects more that are not in the table")
        if self.log_file:
            lines.append(f"Log: {self.log_file}")
        return lines

    def _pages(self) -> list[str]:
        """Return the page of all and those of whoever is in doubt; without it, or of few, all."""
        pages = [path for path in self.pages if path.is_file()]
        if not self.group_page:
            return first_lines([f"  page: {path}" for path in pages], "pages more")
        counts = ", ".join(f"{self.advised[one]} {one}" for one in ADVICE if self.advised)
        lines = [f"  page of all: {self.group_page}" + (f" ({counts})" if counts else "")]
        if len(pages) <= _FEW:
            return lines + [f"  page: {path}" for path in pages]
        doubted = [path for path in pages if path.stem in self.warnings]
        return lines + first_lines(
            [f"  page of one in doubt: {path}" for path in doubted],
            "in doubt; the page of all leads to them",
        )


def left_out_lines(left_out: Sequence[str]) -> list[str]:
    """Return what was not taken of the datasets, under a heading; nothing if that is nothing."""
    if not left_out:
        return []
    told = first_lines([f"  {line}" for line in left_out], "more; run --dry-run -v names all")
    return ["Left out, though named like a scan or labels:", *told]


def failure_lines(label: str, crashes: Sequence[Crash], config_file: Path | None) -> list[str]:
    """Return what a subject failed of, where the details are, and how to run it again."""
    lines: list[str] = []
    for crash in crashes:
        cause = f"{crash.stage}: {crash.cause}" if crash.stage else crash.cause
        lines.append(f"    and {cause}" if lines else cause)
        if crash.path:
            lines.append(f"    details: {crash.path}")
    if config_file:
        lines.append(f"    run it again: {rerun_command(label, config_file)}")
    return lines


def rerun_command(label: str, config_file: Path) -> str:
    """Return the command that runs one subject and session again.

    Examples
    --------
    >>> rerun_command("sub-01_ses-3mo", Path("/out/logs/1/config.toml"))
    'bgpvs-wf run --config /out/logs/1/config.toml --participant-label 01 --session-id 3mo'
    """
    words = ["bgpvs-wf", "run", "--config", str(config_file), *subject_options(label)]
    return shlex.join(words)


def subject_options(label: str) -> list[str]:
    """Return the options that choose one subject and session.

    Examples
    --------
    >>> subject_options("sub-01_ses-3mo")
    ['--participant-label', '01', '--session-id', '3mo']
    """
    subject, _, session = label.partition("_")
    words = ["--participant-label", subject.removeprefix("sub-")]
    return [*words, "--session-id", session.removeprefix("ses-")] if session else words


def _reuse(outcome: Outcome) -> str:
    ran = ", ".join(outcome.ran) or "nothing"
    return f"  {outcome.label}: ran {ran}; reused {', '.join(outcome.reused)}"


def first_lines(lines: Sequence[str], more: str) -> list[str]:
    """Return the first lines, and how many more there are."""
    rest = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"  and {rest} {more}"] if rest > 0 else list(lines)


def _count(labels: Sequence[str] | Iterable[str]) -> str:
    labels = list(labels)
    if len(labels) > _SHOWN:
        return f"{len(labels)} subjects"
    return ", ".join(labels)
