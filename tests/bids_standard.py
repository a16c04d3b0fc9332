"""The BIDS validator (bids-validator-deno, 2 or later), where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def bids_errors(folder: Path) -> list[str]:
    """Return what the validator calls errors of a dataset, and a README that is missing.

    Warnings about what nobody can know of infants that were never scanned, or that nobody has
    written yet (authors, echo times), are no failure of the program.
    """
    name = "bids-validator-deno"
    beside = Path(sys.executable).with_name(name)
    program = str(beside) if beside.is_file() else shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed; pip install {name}")
    done = subprocess.run(
        [program, str(folder), "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    found = json.loads(done.stdout)["issues"]["issues"]
    return [
        f"{one['code']} {one.get('subCode', '')} {one.get('location', '')}"
        for one in found
        if one["severity"] == "error" or one["code"] == "README_FILE_MISSING"
    ]
