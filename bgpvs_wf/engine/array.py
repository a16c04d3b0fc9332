"""A cohort in SLURM's queue: an array of jobs, a subject and session each, or one job."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine import slurm
from bgpvs_wf.engine.plugin_needs import options
from bgpvs_wf.engine.summary import subject_options
from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.imaging.files import write_json, write_text
from bgpvs_wf.json_shapes import check_shape
from bgpvs_wf.plain_names import has_control
from bgpvs_wf.reading import load_json, why_not

_LOG = logging.getLogger(__name__)
_FILE = "submission.json"
_JOB_NAME = "bgpvs-wf"
_TASK = """\
#!/bin/bash
# A subject of each task; the {offset} first lines of subjects.txt belong to other arrays.
{requests}
line=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1 + {offset}))p" {subjects})
[ -n "$line" ] || {{ echo "No subject for this task in subjects.txt"; exit 1; }}
exec {command} $line
"""
_ALONE = """\
#!/bin/bash
{requests}
exec {command}
"""


@dataclass(frozen=True)
class Submission:
    """What was queued together."""

    folder: Path
    tasks: Mapping[str, str]
    """Label of a subject to its task, such as `812_17`; or the one job of all."""
    last: str
    """Number of the job after which all is done."""

    @property
    def jobs(self) -> tuple[str, ...]:
        """Numbers of the jobs of subjects."""
        return tuple(dict.fromkeys(task.partition("_")[0] for task in self.tasks.values()))


def submit_arrays(
    config: RunConfig,
    labels: Sequence[str],
    folder: Path,
    *,
    sbatch_args: str = "",
    at_once: int = 0,
) -> Submission:
    """Write the scripts of a cohort into a folder, and queue them.

    Parameters
    ----------
    config : RunConfig
        `nprocs` and `memory_gb` are those of a task. Its settings are in `config.toml` there.
    labels : sequence of str
        Of the subjects, such as ``sub-01_ses-3mo``.
    folder : Path
    sbatch_args : str
        What else to ask SLURM for, such as ``--partition=short --time=60``.
    at_once : int
        The most tasks that run at a time; 0 leaves that to the site.

    Raises
    ------
    BGPVSError
        If SLURM refuses. Arrays that were queued before that are cancelled.
    """
    subjects = folder / "subjects.txt"
    lines = [shlex.join(subject_options(label)) for label in labels]
    write_text("".join(f"{line}\n" for line in lines), subjects)
    tasks: dict[str, str] = {}
    jobs: list[str] = []
    try:
        for offset, chunk in _chunks(labels, slurm.largest_array()):
            script = folder / f"array-{len(jobs) + 1}.sh"
            text = _TASK.format(
                offset=offset,
                requests=_requests(config, sbatch_args, folder / "slurm-%A_%a.out"),
                subjects=shlex.quote(str(subjects)),
                command=_command(config, folder, "participant", config.nprocs),
            )
            write_text(text, script)
            options = [f"--array=0-{len(chunk) - 1}" + (f"%{at_once}" if at_once else "")]
            if at_once and jobs:
                # Side by side, the arrays would run several times as many.
                options.append(f"--dependency=afterany:{jobs[-1]}")
            jobs.append(slurm.submit(script, *options))
            tasks |= {label: f"{jobs[-1]}_{i}" for i, label in enumerate(chunk)}
        options = [f"--dependency=afterany:{':'.join(jobs)}"]
        last = _submit_command(config, folder, "group", 1, sbatch_args, *options)
    except BGPVSError:
        if jobs:
            slurm.call("scancel", *jobs)
        raise
    return _noted(Submission(folder, tasks, last))


def submit_one(
    config: RunConfig, labels: Sequence[str], folder: Path, *, sbatch_args: str = ""
) -> Submission:
    """Write the script of one job for a whole cohort into a folder, and queue it.

    Parameters are those of `submit_arrays`.
    """
    job = _submit_command(config, folder, "", config.nprocs, sbatch_args)
    return _noted(Submission(folder, dict.fromkeys(labels, job), job))


def _submit_command(
    config: RunConfig, folder: Path, level: str, nprocs: int, sbatch_args: str, *options: str
) -> str:
    """Queue a job that runs a level, or (empty) both; return its number."""
    script = folder / f"{level or 'cohort'}.sh"
    requests = _requests(config, sbatch_args, folder / "slurm-%j.out")
    command = _command(config, folder, level, nprocs)
    write_text(_ALONE.format(requests=requests, command=command), script)
    return slurm.submit(script, *options)


def _noted(submission: Submission) -> Submission:
    content = {"tasks": submission.tasks, "last": submission.last}
    write_json(content, submission.folder / _FILE)
    return submission


def submissions(logs: Path) -> list[Submission]:
    """Return what was submitted for an output folder, the latest last."""
    found = []
    for path in sorted(logs.glob(f"*/{_FILE}")):
        try:
            content = load_json(path)
            check_shape(content, {"tasks": {str: str}, "last": str})
            found.append(Submission(path.parent, content["tasks"], content["last"]))
        except (OSError, ValueError) as error:
            _LOG.warning(
                "%s is damaged (%s); what was queued then is not known.",
                *(path, why_not(error, path)),
            )
    return found


def queued(known: Iterable[Submission]) -> dict[str, tuple[str, str]]:
    """Return the subjects that wait or run in SLURM's queue: label to task and its state."""
    tasks = {label: task for one in known for label, task in one.tasks.items()}
    states = slurm.queued_tasks(dict.fromkeys(task.partition("_")[0] for task in tasks.values()))
    return {label: (task, states[task]) for label, task in tasks.items() if task in states}


def _requests(config: RunConfig, sbatch_args: str, output: Path) -> str:
    """Return the lines that ask SLURM for what a job needs; what the user asks for wins."""
    gpu = config.has_model and config.predict.device == "cuda"
    words = slurm.requests(sbatch_args, cpus=config.nprocs, memory_gb=config.memory_gb, gpu=gpu)
    for names, ours in (
        ("-J|--job-name", f"--job-name={_JOB_NAME}"),
        # SLURM has patterns such as %j of its own.
        ("-o|--output", f"--output={str(output.parent).replace('%', '%%')}/{output.name}"),
    ):
        if not slurm.asks_for(sbatch_args, names):
            words.append(ours)
    words += options(sbatch_args, "--sbatch-args")
    for word in words:
        if has_control(word):
            raise UsageError(f"No line of a script for SLURM can hold {word!r}; rename the folder.")
    return "\n".join(f"#SBATCH {shlex.quote(word)}" for word in words)


def _command(config: RunConfig, folder: Path, level: str, nprocs: int) -> str:
    """Return the command of a job, but for its subject; an empty level means both."""
    words = [sys.executable, *_program(), "run"]
    words += [str(config.bids_dir), str(config.output_dir), *([level] if level else [])]
    words += ["--config", str(folder / "config.toml")]
    words += ["--plugin", "MultiProc", "--nprocs", str(nprocs)]
    return shlex.join(words)


def _program() -> list[str]:
    """Return the words that start this program in Python once more."""
    script = Path(sys.argv[0]).absolute()
    # Run as a file, __main__.py would put the package's folder, with its `bids`, before pybids.
    return ["-m", "bgpvs_wf"] if script.name == "__main__.py" else [str(script)]


def _chunks(labels: Sequence[str], size: int) -> Iterator[tuple[int, Sequence[str]]]:
    """Divide labels into arrays that a site takes."""
    for start in range(0, len(labels), size):
        yield start, labels[start : start + size]
