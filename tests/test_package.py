"""What `import bgpvs_wf` gives, and what it says where it cannot."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import bgpvs_wf

ROOT = Path(bgpvs_wf.__file__).parent


def test_every_public_name_is_there():
    for name in bgpvs_wf.__all__:
        assert getattr(bgpvs_wf, name) is not None


def test_a_version_is_read_without_what_takes_seconds_to_import():
    script = "import sys, bgpvs_wf; print({'nipype', 'torch', 'nibabel'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_public_names_are_listed_before_they_are_imported():
    script = "import bgpvs_wf; print(sorted({*bgpvs_wf.__all__} - {*dir(bgpvs_wf)}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_checkout_without_links_says_so(tmp_path):
    package = tmp_path / "bgpvs_wf"
    package.mkdir()
    for path in ROOT.glob("*.py"):
        shutil.copy(path, package)
    for name in ("data", "interfaces", "workflows"):
        (package / name).write_text(f"../{name}")
    done = subprocess.run(
        [sys.executable, "-c", "import bgpvs_wf"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "this checkout was made without symbolic links" in done.stderr.splitlines()[-1]
