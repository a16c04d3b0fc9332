"""Broken input of every kind to every verb, and whether each answer is a good one.

    python benchmarks/fuzz.py [--cases 1000] [--seed 1] [--jobs 2] [--out FILE.tsv]
    python benchmarks/fuzz.py --case 17          # one again, with all that was said

Each case has a copy of a small site of its own (`fuzzing/ground.py`), damages a file or an option
of a call that worked before, calls the program in a process forked from this one, and judges by a
rule (`fuzzing/judge.py`): no traceback, no hang, nothing executed, nothing in the raw dataset
touched, messages name what and where, the exit status is right, nobody else suffers, and no
nonsense is accepted. The status is 1 if an answer was not a good one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fuzzing.cases import KINDS, Case, make_case
from fuzzing.workshop import Workshop

_COLUMNS = ("number", "kind", "verb", "outcome", "seconds", "what", "command", "complaints")
_OF_RUN = dict.fromkeys(("again", "why", "dry-run", "group", "config"), "run")


def run_cases(
    shop: Workshop, cases: Sequence[Case], jobs: int = 1, keep: Path | None = None
) -> Iterator[dict[str, object]]:
    """Run cases, some at a time, each in a process of its own; yield a row of each as it ends."""
    waiting, running = list(reversed(cases)), {}
    slots = list(range(jobs))
    while waiting or running:
        while waiting and slots:
            case, slot = waiting.pop(), slots.pop()
            pid = os.fork()
            if pid == 0:
                _work(shop, case, slot, keep)
            running[pid] = (case, slot)
        pid, status = os.wait()
        if pid not in running:
            continue
        case, slot = running.pop(pid)
        slots.append(slot)
        row = shop.root / f"row-{slot}.json"
        if status or not row.exists():
            sys.exit(f"The fuzzer itself failed at case {case.number}: {case.what}")
        yield json.loads(row.read_text())
        row.unlink()


def _work(shop: Workshop, case: Case, slot: int, keep: Path | None) -> None:
    """Run a case in this process, which ends with it."""
    status = 1
    try:
        rule, answer, verdict = shop.try_case(case, slot)
        row = {
            "number": case.number,
            "kind": case.kind,
            "verb": case.call,
            "outcome": verdict.outcome,
            "seconds": round(answer.seconds, 1),
            "what": case.what,
            "command": case.command,
            "complaints": list(verdict.complaints),
            "status": answer.status,
            "stdout": answer.stdout[-6000:],
            "stderr": answer.stderr[-6000:],
            "allowed": sorted(rule.outcomes),
        }
        (shop.root / f"row-{slot}.json").write_text(json.dumps(row))
        if keep and verdict.complaints:
            shutil.rmtree(keep / str(case.number), ignore_errors=True)
            with contextlib.suppress(shutil.Error):  # pipes and sockets stay behind
                shutil.copytree(shop.slot(slot), keep / str(case.number), symlinks=True)
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def table(rows: Sequence[dict[str, object]]) -> str:
    """Return counts by kind and verb, as Markdown; in brackets those not answered well."""
    import pandas as pd

    found = pd.DataFrame(
        {
            "kind": row["kind"],
            "verb": str(row["verb"]).partition(" ")[0],
            "outcome": row["outcome"],
            "bad": bool(row["complaints"]),
        }
        for row in rows
    )
    found["verb"] = found["verb"].replace(_OF_RUN)
    parts = []
    for column in ("verb", "outcome"):
        both = pd.concat([found, found.assign(**{column: "all"})])
        both = pd.concat([both, both.assign(kind="all")])
        cells = both.groupby(["kind", column])["bad"].agg(["size", "sum"]).apply(_cell, axis=1)
        grid = cells.unstack().fillna("")
        for axis in (0, 1):
            names = [name for name in grid.axes[axis] if name != "all"]
            grid = grid.reindex([*names, "all"], axis=axis)
        lines = [["kind", *grid.columns], ["---"] * (1 + len(grid.columns))]
        lines += [[name, *grid.loc[name]] for name in grid.index]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    bad = int(found["bad"].sum())
    return "\n\n".join([*parts, f"{len(found)} cases, {bad} not answered well."])


def _cell(counts: Mapping[str, int]) -> str:
    return f"{counts['size']}" + (f" ({counts['sum']})" if counts["sum"] else "")


def _shown(row: dict[str, object], whole: bool = False) -> str:
    lines = [f"case {row['number']}: {row['kind']}: {row['what']!s:.200}"]
    lines += [
        f"  {row['command']!s:.400}",
        f"  status {row['status']}, {row['outcome']}, {row['seconds']} s",
    ]
    lines += [f"  ! {complaint}" for complaint in row["complaints"]]
    if whole:
        lines += ["--- stdout", str(row["stdout"]), "--- stderr", str(row["stderr"])]
    return "\n".join(lines).encode("utf-8", "backslashreplace").decode()


def main() -> int:
    """Run the cases; print what was not answered well, and counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--only", choices=sorted(KINDS), default="", help="cases of a kind")
    parser.add_argument("--light", action="store_true", help="only calls that take a moment")
    parser.add_argument("--jobs", type=int, default=1, metavar="J")
    parser.add_argument("--case", type=int, metavar="ID", help="this one, and all that is said")
    parser.add_argument("--out", type=Path, metavar="FILE", help="rows as .tsv or .json")
    parser.add_argument("--keep-failed", type=Path, metavar="DIR", help="sites of bad answers")
    options = parser.parse_args()
    numbers = (
        [options.case]
        if options.case is not None
        else range(options.first, options.first + options.cases)
    )
    cases = [make_case(options.seed, n, options.only, options.light) for n in numbers]
    start, rows = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
        shop = Workshop.set_up(Path(folder), cases)
        print(f"Ground made after {time.monotonic() - start:.0f} s.", flush=True)
        for row in run_cases(shop, cases, options.jobs, options.keep_failed):
            rows.append(row)
            if row["complaints"] or options.case is not None:
                print(_shown(row, whole=options.case is not None), flush=True)
    again = f"--seed {options.seed}" + (f" --only {options.only!r}" if options.only else "")
    print(f"\nOne again: {again}{' --light' if options.light else ''} --case NUMBER")
    print(f"\n{table(rows)}\n{time.monotonic() - start:.0f} s.")
    if options.out:
        write_rows(rows, options.out)
    return 1 if any(row["complaints"] for row in rows) else 0


def write_rows(rows: Sequence[dict[str, object]], path: Path) -> None:
    """Write what became of each case."""
    rows = sorted(rows, key=lambda row: row["number"])
    if path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
        return
    cells = ("\t".join(json.dumps(row[c]) for c in _COLUMNS) for row in rows)
    path.write_text("\n".join(["\t".join(_COLUMNS), *cells, ""]))


if __name__ == "__main__":
    sys.exit(main())
