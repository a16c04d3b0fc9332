"""Six infants whose page is opened in a browser, and what scripts use to act on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from chromium_page import run_in_page
from cohort_toy import toy_thumbnail

from bgpvs_wf.cohort.advice import Reason
from bgpvs_wf.reports.group.page import render_group
from bgpvs_wf.reports.group.rows import Column, Row

COLUMNS = [
    Column("volume", "Volume", "Of the basal ganglia.", "mm³", "results"),
    Column("noise", "Noise", "Of the scan."),
    Column("doubt", "Doubt", "Of the model.", shown=False),
]
ROWS = [
    Row("sub-10", 60.0, "good", {"volume": 12000.5, "noise": 1.0, "doubt": 0.1}),
    Row("sub-2", 50.0, "good", {"volume": 11000.0, "noise": 1.1, "doubt": 0.2}),
    Row("sub-3_ses-3m", None, "look", {"volume": None, "noise": 1.2, "doubt": 0.3}, rating="check"),
    Row(
        "sub-4_ses-3m", 55.0, "good", {"volume": 9000.0, "noise": 0.9, "doubt": 0.1}, note="T1w ok"
    ),
    Row("sub-5_ses-6m", 70.0, "good", {"volume": 15000.0, "noise": 1.05, "doubt": 0.1}),
    Row(
        "sub-6",
        65.0,
        "bad",
        {"volume": 14000.0, "noise": 9.0, "doubt": 0.1},
        (Reason("The scan is too noisy.", "noise"),),
        page="sub-6.html",
        viewer="sub-6_3d.html",
        figure="nowhere.svg",
        thumbnail=toy_thumbnail(np.random.default_rng(1)),
    ),
]

HELPERS = """
const $ = (s) => document.querySelector(s), $$ = (s) => [...document.querySelectorAll(s)];
const press = (key, to = document.activeElement) => to.dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const type = (s, text) => { $(s).value = text; $(s).dispatchEvent(new Event("input")); };
const wait = (ms = 50) => new Promise((done) => setTimeout(done, ms));
// Messages pass in real time, unlike timers: files and events of dialogs need it.
const until = async (is) => {
  const { port1, port2 } = new MessageChannel();
  for (let at = 0; at < 1e5 && !is(); at += 1) {
    await new Promise((done) => { port1.onmessage = done; port2.postMessage(0); });
  }
};
const labels = () => $$("tr[data-row] .thumb").map((b) => b.ariaLabel.split(" ")[1]);
const sort = (field) => $(`th[data-field="${field}"] button`).click();
const count = () => $("#count").textContent;
const walked = () => $("#walk-label").textContent;
// Nothing is downloaded in a test: what would be is looked at.
let file = null, saved = null;
HTMLAnchorElement.prototype.click = function () { saved = this.download; };
const made = URL.createObjectURL;
URL.createObjectURL = (blob) => { file = blob; return made.call(URL, blob); };
"""


def browse(
    script: str, folder: Path, rows=ROWS, columns=COLUMNS, key: str = "toy", size="1300,1000"
) -> tuple[Any, list[str]]:
    """Return what a script finds in the page of a cohort, and the browser's console."""
    page = render_group(rows, columns, title="Toy", key=key)
    return run_in_page(page, HELPERS + script, folder, size=size)


def order(*numbers: int) -> list[str]:
    """Return labels of the six by their numbers."""
    found = {int(row.label[4:].split("_")[0]): row.label for row in ROWS}
    return [found[number] for number in numbers]
