"""Say something to the user."""

from __future__ import annotations

import sys


def say(*lines: str) -> None:
    """Write lines to the standard output, at once."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
