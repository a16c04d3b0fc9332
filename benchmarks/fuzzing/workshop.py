"""Where cases are tried: a copy of the ground for each, and a process forked from this one."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fuzzing.cases import Case
from fuzzing.ground import CALLS, SUBJECTS, Site, make_site, move_site
from fuzzing.judge import Answer, Rule, Verdict, judge

_HANG_SECONDS = 30
_MEMORY_BYTES = 5 * 2**30
"""Of data; what a program that goes wild may take of the machine."""
_CAPABILITIES = 0x20080522
"""Version of the interface of Linux."""
_CANARY = "fuzz_canary"
_IMPORTS = (
    *("nipype", "torch", "monai", "ants", "pandas", "bids", "matplotlib.pyplot", "jinja2"),
    *("skimage.measure", "scipy.stats", "pingouin", "rich.console", "yaml", "tomli_w", "numba"),
    *("bgpvs_wf.workflows.base", "bgpvs_wf.learning.inference.prediction"),
)
"""Imported once; forked processes have them."""


@dataclass
class Workshop:
    """The undamaged site, and what its calls say and leave."""

    root: Path
    sound: dict[tuple[str, ...], Answer] = field(default_factory=dict)

    @classmethod
    def set_up(cls, root: Path, cases: Sequence[Case]) -> Workshop:
        """Make the ground, and try all calls of some cases without damage.

        Raises
        ------
        RuntimeError
            If one does not do what it should.
        """
        _import_all()
        root.chmod(0o755)
        shop = cls(root)
        site = make_site(shop.home)
        add = list(CALLS["atlas add"])
        add[add.index("other")] = "tiny"
        for words in (tuple(add), CALLS["again"]):
            answer = call(site, words, _HANG_SECONDS * 10)
            if answer.status:
                raise RuntimeError(f"{words} ended with {answer}")
        shutil.rmtree(site.root / "work", ignore_errors=True)
        logs = next((site.root / "out" / "logs").glob("*/config.toml")).parent
        tasks = ", ".join(f'"sub-{s}": "122_{i}"' for i, s in enumerate(SUBJECTS))
        (logs / "submission.json").write_text(f'{{"tasks": {{{tasks}}}, "last": "123"}}')
        for case in cases:
            if case.sound not in shop.sound:
                answer = shop._call_in(case.sound, case.call, "sound")
                if answer.status != 0:
                    raise RuntimeError(f"{case.sound} ended with {answer}")
                shop.sound[case.sound] = answer
        return shop

    @property
    def home(self) -> Path:
        """Return the undamaged site."""
        return self.root / "ground"

    def slot(self, slot: int | str) -> Path:
        """Return where the copy of a worker is."""
        return self.root / f"slot-{slot}"

    def _copy(self, slot: int | str) -> Site:
        remove(self.slot(slot))
        return move_site(self.home, self.slot(slot), self.home)

    def _call_in(self, words: tuple[str, ...], verb: str, slot: str) -> Answer:
        site = self._copy(slot)
        (site.root / "loop").symlink_to("loop")
        out = {"run": "new", "again": "out"}.get(verb, "")
        return call(site, words, _HANG_SECONDS * 10, out)

    def try_case(self, case: Case, slot: int) -> tuple[Rule, Answer, Verdict]:
        """Damage a copy of the site, call the program, and judge."""
        site, sound = self._copy(slot), self.sound[case.sound]
        rule = case.prepare(site)
        seconds = _HANG_SECONDS + 2 * sound.seconds
        answer = call(site, case.words, seconds, case.out, case.without_rights)
        return rule, answer, judge(rule, answer, sound)


def call(
    site: Site, words: Sequence[str], seconds: float, out: str = "", without_rights: bool = False
) -> Answer:
    """Call the program in a forked process, in the folder of a site.

    Parameters
    ----------
    site : Site
    words : sequence of str
    seconds : float
        After which it, and all that it started, is killed.
    out : str
        Folder of results.
    without_rights : bool
    """
    said = [site.root / "stdout", site.root / "stderr"]
    before = _state(site.root / "bids")
    start = time.monotonic()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _be_the_program(site, words, said, without_rights)
    status = _wait(pid, start + seconds)
    took = time.monotonic() - start
    texts = [path.read_bytes().decode("utf-8", "backslashreplace") for path in said]
    return Answer(
        status=status,
        stdout=texts[0],
        stderr=texts[1],
        seconds=took,
        results=_results(site.root, out),
        touched=tuple(_changed(before, _state(site.root / "bids"))),
        executed=any(p.name == _CANARY for p in _walk(site.root)),
    )


def _be_the_program(
    site: Site, words: Sequence[str], said: list[Path], without_rights: bool
) -> None:
    """Become the program; does not return."""
    status = 70
    try:
        os.setsid()
        for number, path in zip((1, 2), said, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w"), "utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(
            io.FileIO(2, "w"), "utf-8", errors="backslashreplace", write_through=True
        )
        os.chdir(site.root)
        os.environ.update(site.environment)
        import tempfile

        tempfile.tempdir = None
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
        if without_rights:
            give_up_rights()
        from bgpvs_wf.cli import main

        sys.argv = [main.__file__, *words]
        try:
            status = main.main(list(words))
        except SystemExit as ending:
            status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _wait(pid: int, until: float) -> int | None:
    """Return the status of a process that leads a session; end what is left of that."""
    status = None
    pause = 0.01
    while time.monotonic() < until:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(code)
            break
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if status is None:
        os.waitpid(pid, 0)
    return status


def _import_all() -> None:
    import importlib

    os.environ |= {"OMP_NUM_THREADS": "1", "NIPYPE_NO_ET": "1", "MPLBACKEND": "Agg"}
    for name in _IMPORTS:
        importlib.import_module(name)
    from bgpvs_wf.cli.main import build_parser

    build_parser()


def remove(folder: Path) -> None:
    """Remove a folder, whatever is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise RuntimeError(f"cannot remove {folder}")


def give_up_rights() -> None:
    """Let permissions count for this process, even if it is root's."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(ctypes.byref(header), ctypes.byref(nothing)):
        raise OSError(ctypes.get_errno(), "capset")


def _walk(folder: Path) -> list[Path]:
    return [Path(at) / n for at, dirs, files in os.walk(folder) for n in (*dirs, *files)]


def _state(folder: Path) -> dict[str, object]:
    """Return what tells whether anything in a folder changed."""
    found: dict[str, object] = {}
    for path in _walk(folder):
        stat = path.lstat()
        found[os.fspath(path)] = (stat.st_size if not path.is_dir() else 0, stat.st_mode,
                                  stat.st_mtime_ns if not path.is_dir() else 0)  # fmt: skip
    return found


def _changed(before: dict[str, object], after: dict[str, object]) -> list[str]:
    both = {*before, *after}
    return sorted(name for name in both if before.get(name) != after.get(name))


def _results(root: Path, out: str) -> dict[str, str]:
    """Return digests of the images and tables of each subject."""
    if not out or "\0" in out or len(out) > 250:
        return {}
    folder = Path(out).expanduser() if out.startswith("~") else root / out
    try:
        paths = [p for p in folder.glob("sub-*/**/*") if p.name.endswith((".nii.gz", ".tsv"))]
    except (OSError, RuntimeError):
        return {}
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in paths
        if p.is_file()
    }
