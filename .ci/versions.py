"""Check that all places that name the version agree, and the tag of a release with them.

python .ci/versions.py [TAG]

The version is said by hand, not taken from tags: caches and the ledger key on it, and a version
for each commit would throw away what they hold.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _first(name: str, pattern: str) -> str | None:
    found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else None


def disagreements(tag: str | None) -> list[str]:
    """Return a line for each place that does not fit; a tag has to be that of a release."""
    version = _first("bgpvs_wf/_version.py", r'^__version__ = "(.+)"$') or ""
    release = re.match(r"\d+\.\d+\.\d+(?=$|\.dev\d+$)", version)
    if not release:
        return [f"bgpvs_wf/_version.py: {version!r} is neither like 1.2.3 nor like 1.2.3.dev4"]
    coming = release.group()
    cited = _first("CITATION.cff", r"^version: (.+)$")
    date = _first("CITATION.cff", r'^date-released: "?([0-9-]+)"?$')
    heading = _first("CHANGES.md", r"^## (.+)$")
    expected = f"{coming} ({date})" if version == coming else f"{coming} (not released)"
    found = []
    if cited != coming:
        found.append(f"CITATION.cff: version is {cited}, not {coming}")
    if version == coming and date is None:
        found.append("CITATION.cff: a release has its date-released")
    if version != coming and date is not None:
        found.append(f"CITATION.cff: {version} is not released, so it has no date-released")
    if heading != expected:
        found.append(f"CHANGES.md: the first heading is '{heading}', not '{expected}'")
    if tag is not None and tag != f"v{version}":
        found.append(f"tag {tag}: bgpvs_wf/_version.py says {version}")
    if tag is not None and version != coming:
        found.append(f"tag {tag}: {version} is on the way to {coming}, not a release")
    return found


if __name__ == "__main__":
    wrong = disagreements(sys.argv[1] if len(sys.argv) > 1 else None)
    print("\n".join(wrong) or "All places name the same version.")
    raise SystemExit(bool(wrong))
