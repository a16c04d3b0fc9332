"""A page opened in a headless Chromium, with a script put at its end that says what it found."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-logging=stderr",
]


def run_in_page(
    page: str, script: str, folder: Path, *, size: str = "1300,1000", flags: tuple[str, ...] = ()
) -> tuple[Any, list[str]]:
    """Return what `script` put into `out`, and what the browser's console said.

    The script may wait: it is the body of an async function. Pages opened in one folder share
    what the browser keeps.
    """
    _require()
    tell = 'document.documentElement.setAttribute("data-result", JSON.stringify(out));'
    tail = f"<script>(async () => {{ const out = {{}}; {script}\n{tell} }})();</script></body>"
    asked = [f"--window-size={size}", "--virtual-time-budget=3000", "--dump-dom", *flags]
    done = _browse(page.replace("</body>", tail), folder, asked)
    found = re.search(r"data-result='([^']+)'|data-result=\"([^\"]+)\"", done.stdout)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert found, (console, done.stderr[-2000:])
    return json.loads(html.unescape(found[1] or found[2])), console


def print_page(page: str, folder: Path) -> list[tuple[float, float]]:
    """Return width and height in mm of every sheet that a page is printed on."""
    _require()
    pdf = folder / "page.pdf"
    _browse(page, folder, ["--no-pdf-header-footer", f"--print-to-pdf={pdf}"])
    # Chromium leaves the dictionaries of pages uncompressed.
    sheets = re.findall(rb"/Type /Page\s(.*?)endobj", pdf.read_bytes(), re.S)
    boxes = [re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", sheet) for sheet in sheets]
    return [(float(box[1]) * _MM, float(box[2]) * _MM) for box in boxes if box]


_MM = 25.4 / 72


def _require() -> None:
    if _CHROMIUM is None:
        pytest.skip("chromium is not installed; the page's behaviour is not tested")


def _browse(page: str, folder: Path, asked: list[str]) -> subprocess.CompletedProcess[str]:
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    call = [str(_CHROMIUM), *_FLAGS, f"--user-data-dir={folder / 'profile'}", *asked]
    return subprocess.run(
        [*call, path.as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
