"""`bgpvs-wf doctor`: what is installed, what is missing, what to do about it."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bgpvs_wf._version import __version__
from bgpvs_wf.cli.terminal import say
from bgpvs_wf.errors import BGPVSError

GOOD, NOTE, MISSING = "ok", "note", "MISSING"

_ANTS_COMMANDS = (
    "antsRegistration",
    "antsApplyTransforms",
    "N4BiasFieldCorrection",
    "DenoiseImage",
    "antsJointFusion",
)
_MEMORY_GB, _DISK_GB = 4.0, 5.0
"""What a run on a few subjects should find."""
_SECONDS = 20


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    state: str
    """`ok`, `note` (runs without it), or `MISSING` (does not)."""
    found: str
    advice: str = ""

    def line(self) -> str:
        """Return it as a line of text."""
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.state:8}{self.name:26}{self.found}{advice}"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what is installed, what is missing, what to do about it",
        description="Look at Python, packages, programs, machine, atlases and models.",
        epilog="exit status: 0 all is there that a run needs, 1 something is missing",
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        help="folder that a run would work in (default: here)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the same as JSON (see docs/how-to/running.md)"
    )
    parser.set_defaults(handler=doctor)


def doctor(args: argparse.Namespace) -> int:
    """Run the verb; return the exit status."""
    tell = _tell_json if args.json else _tell_lines
    return 1 if tell(_look(args.folder)) else 0


def _look(folder: Path) -> Iterator[tuple[str, Check]]:
    """Yield each thing looked at, after the heading it is under."""
    sections: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("Python and packages", check_python),
        ("Programs", check_programs),
        ("Machine", lambda: check_machine(folder)),
        ("Atlases", check_atlases),
        ("Models", check_models),
    )
    for title, checks in sections:
        for check in checks():
            yield title, check


def _tell_lines(checks: Iterable[tuple[str, Check]]) -> int:
    """Write a line for each as soon as it is known; return how many are missing."""
    missing = 0
    for title, under_it in itertools.groupby(checks, key=lambda one: one[0]):
        say(title)
        for _, check in under_it:
            say(f"  {check.line()}")
            missing += check.state == MISSING
    say("", f"{missing} missing." if missing else "Everything that a run needs is there.")
    return missing


def _tell_json(checks: Iterable[tuple[str, Check]]) -> int:
    """Write all as one JSON object; return how many are missing."""
    told = [
        {
            "section": title,
            "name": check.name,
            "state": check.state.lower(),
            "found": check.found,
            "advice": check.advice,
        }
        for title, check in checks
    ]
    missing = sum(one["state"] == MISSING.lower() for one in told)
    content = {"version": __version__, "missing": missing, "checks": told}
    say(json.dumps(content, indent=2, ensure_ascii=False))
    return missing


def check_python() -> Iterator[Check]:
    """Check the interpreter and the packages that this one requires, by its own metadata."""
    version = platform.python_version()
    tested = (3, 11) <= sys.version_info[:2] <= (3, 13)
    advice = "" if tested else "tested with 3.11 to 3.13"
    yield Check("Python", GOOD if tested else NOTE, f"{version} ({sys.executable})", advice)
    try:
        requirements = metadata.requires("bgpvs-wf") or []
    except metadata.PackageNotFoundError:
        yield Check("bgpvs-wf", MISSING, "not installed", "pip install .")
        return
    yield Check("bgpvs-wf", GOOD, __version__)
    for text in sorted(requirements, key=str.lower):
        yield from check_requirement(text)


def check_requirement(text: str) -> Iterator[Check]:
    """Check one requirement, such as ``numpy>=1.26``; those of extras are passed over.

    Examples
    --------
    >>> [check.state for check in check_requirement("numpy>=1.0")]
    ['ok']
    >>> [check.advice for check in check_requirement("no-such-package>=2")]
    ["pip install 'no-such-package>=2'"]
    >>> list(check_requirement("ruff>=0.6; extra == 'test'"))
    []
    """
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return
    wanted = f"{requirement.name}{requirement.specifier}"
    advice = f"pip install '{wanted}'"
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        yield Check(requirement.name, MISSING, "not installed", advice)
        return
    if requirement.specifier.contains(version, prereleases=True):
        yield Check(requirement.name, GOOD, version)
    else:
        yield Check(requirement.name, MISSING, f"{version} is not {requirement.specifier}", advice)


def check_programs() -> Iterator[Check]:
    """Check ANTs, native or inside antspyx, Graphviz and SLURM."""
    yield check_ants()
    dot = shutil.which("dot")
    advice = "" if dot else "apt install graphviz, to have --dry-run draw the workflow"
    yield Check("Graphviz", GOOD if dot else NOTE, dot or "not found", advice)
    slurm = [name for name in ("sbatch", "squeue") if shutil.which(name)]
    if len(slurm) == 2:
        yield Check("SLURM", GOOD, f"{shutil.which('sbatch')}; use --plugin SLURM")
    else:
        yield Check("SLURM", NOTE, "not found", "only needed for --plugin SLURM")


def check_ants() -> Check:
    """Check that every ANTs command can be run."""
    native = [name for name in _ANTS_COMMANDS if shutil.which(name)]
    if len(native) == len(_ANTS_COMMANDS):
        return Check("ANTs", GOOD, f"native, in {Path(shutil.which(native[0]) or '').parent}")
    from bgpvs_wf.interfaces.antspyx import load_library

    try:
        library = load_library()
    except (BGPVSError, ImportError, OSError) as error:
        return Check("ANTs", MISSING, str(error), "pip install antspyx")
    lacking = [name for name in _ANTS_COMMANDS if not hasattr(library, name)]
    if lacking:
        return Check("ANTs", MISSING, f"no {', '.join(lacking)}", "pip install -U antspyx")
    return Check("ANTs", GOOD, f"inside antspyx {metadata.version('antspyx')}")


def check_machine(folder: Path) -> Iterator[Check]:
    """Check processors, memory, disk and graphics card.

    Parameters
    ----------
    folder : Path
        Where a run would work.
    """
    from bgpvs_wf.engine.resources import free_gb, memory_gb, processors

    yield Check("processors", GOOD, str(processors()))
    memory = memory_gb()
    few = 0 < memory < _MEMORY_GB
    yield Check(
        "memory", NOTE if few else GOOD, f"{memory:.1f} GB", "use --nprocs 1" if few else ""
    )
    place = folder.absolute()
    free = free_gb(place)
    tight = free < _DISK_GB
    advice = "free some, or put --work-dir elsewhere" if tight else ""
    yield Check("disk", NOTE if tight else GOOD, f"{free:.1f} GB free at {place}", advice)
    existing = next(path for path in (place, *place.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        yield Check("folder", NOTE, f"{existing} cannot be written to", "work elsewhere")
    yield check_graphics()


def check_graphics() -> Check:
    """Check for a graphics card; nothing needs one."""
    try:
        query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=_SECONDS, check=True)
        cards = "; ".join(done.stdout.split("\n")).strip("; ")
    except (OSError, subprocess.SubprocessError):
        cards = ""
    try:
        torch = f"torch {metadata.version('torch')}"
    except metadata.PackageNotFoundError:
        torch = "torch not installed"
    return Check(
        "graphics card", GOOD if cards else NOTE, f"{cards or 'none'} ({torch}); not needed"
    )


def check_atlases() -> Iterator[Check]:
    """Check that there is an atlas, for subjects that have no dseg of their own."""
    from bgpvs_wf.anatomy.registry import known_atlases, user_atlas_folder

    try:
        atlases = known_atlases()
    except BGPVSError as error:
        yield Check("atlases", MISSING, str(error))
        return
    for atlas in atlases:
        ages = [entry.age_weeks for entry in atlas.entries]
        span = f"{min(ages):g} to {max(ages):g} weeks" if len(ages) > 1 else f"{ages[0]:g} weeks"
        where = "embedded" if atlas.embedded else str(atlas.folder)
        yield Check(atlas.name, GOOD, f"{span}, {where}")
    if not any(atlas.embedded for atlas in atlases):
        yield Check("embedded atlas", MISSING, "not found", "install this package again")
    if all(atlas.embedded for atlas in atlases):
        advice = "import one of real infants with 'bgpvs-wf atlas add'"
        yield Check("imported atlases", NOTE, f"none in {user_atlas_folder()}", advice)


def check_models() -> Iterator[Check]:
    """Check that the weights of the models in the box are whole, and that there is a default."""
    from bgpvs_wf.learning.models.bundle import (
        DEFAULT_MODEL,
        check_weights,
        models_folder,
        read_bundle,
    )

    folders = sorted(p for p in models_folder().glob("*") if p.is_dir())
    for folder in folders:
        try:
            model = read_bundle(folder)
            check_weights(model)
        except BGPVSError as error:
            yield Check(folder.name, MISSING, str(error), "install this package again")
        else:
            yield Check(folder.name, GOOD, f"{model.strategy}, SHA-256 {model.checksum[:12]}…")
    if DEFAULT_MODEL not in [folder.name for folder in folders]:
        advice = "give --model PATH or --segmentation pseudolabel"
        yield Check(DEFAULT_MODEL, NOTE, "not in the box", advice)
