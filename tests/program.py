"""The program as its users start it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = (sys.executable, "-m", "bgpvs_wf")


def call_program(
    root: Path, *words: str | Path, program: tuple[str, ...] = PROGRAM, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """Call the command line in a folder, with no atlases but those in it."""
    return subprocess.run(
        [*program, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=root,
        env=os.environ | {"BGPVS_WF_ATLASES": str(root / "atlases")},
        timeout=timeout,
        check=False,
    )
