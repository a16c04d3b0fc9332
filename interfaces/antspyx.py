"""The ANTs commands, served by the compiled ANTs inside the `antspyx` package.

``python -m bgpvs_wf.interfaces.antspyx antsRegistration --dimensionality 3 ...`` does what
``antsRegistration --dimensionality 3 ...`` does where ANTs is installed.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from bgpvs_wf.errors import UsageError


def load_library() -> ModuleType:
    """Return the compiled library, without the seconds that ``import ants`` takes.

    Raises
    ------
    UsageError
        If `antspyx` is not installed.
    """
    package = importlib.util.find_spec("ants")
    folders = list(package.submodule_search_locations or ()) if package else []
    for folder in folders:
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = Path(folder) / f"lib{suffix}"
            if path.exists():
                loader = importlib.machinery.ExtensionFileLoader("ants.lib", str(path))
                spec = importlib.util.spec_from_loader("ants.lib", loader)
                assert spec is not None
                module = importlib.util.module_from_spec(spec)
                loader.exec_module(module)
                return module
    raise UsageError("Neither ANTs nor the package antspyx is installed; 'pip install antspyx'.")


def main(argv: Sequence[str]) -> int:
    """Run one ANTs command; return its exit status."""
    if not argv:
        raise UsageError("Which ANTs command? For instance: antsRegistration --help.")
    command, *arguments = argv
    function = getattr(load_library(), command, None)
    if function is None:
        raise UsageError(f"antspyx has no command {command}; install ANTs itself.")
    return int(function(list(arguments)) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
