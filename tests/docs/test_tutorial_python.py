"""docs/tutorials/python.md: every example runs, in its order, and does what it says."""

from __future__ import annotations

import re
import runpy
import shutil
import textwrap
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "python.md"


def examples() -> dict[str, list[str]]:
    """Return the code below each heading, block by block."""
    found = {}
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        blocks = re.findall(r"(?:^(?: {4}.*)?\n)*^ {4}.*\n", text, flags=re.MULTILINE)
        found[heading] = [textwrap.dedent(block) for block in blocks]
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder with the scans that the examples name: an infant at 1.5 mm."""
    from bgpvs_wf.phantom import simulate_dataset
    from bgpvs_wf.phantom.protocol import plain

    root = tmp_path_factory.mktemp("python")
    simulate_dataset(root / "bids", n_subjects=1, ages_weeks=[60.0], seed=3, protocol=plain(1.5))
    for name in ("T2w", "T1w"):
        scan = root / f"bids/sub-01/anat/sub-01_{name}.nii.gz"
        shutil.copy(scan, root / f"{name}.nii.gz")
    return root


@pytest.fixture(scope="module")
def told(place) -> dict[str, dict[str, Any]]:
    """Run all examples as one script; return the names that each section leaves."""
    lines = ["left = {}"]
    for heading, blocks in examples().items():
        lines += [*blocks, f"left[{heading!r}] = dict(globals())"]
    script = place / "script.py"
    script.write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        return runpy.run_path(str(script))["left"]


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


def test_one_infant_has_the_numbers_of_a_run(place, told):
    found = told["One infant"]["found"]
    of_run = place / "out/sub-01/anat"
    pd.testing.assert_frame_equal(
        table(place / "results/sub-infant_desc-bgpvs_morph.tsv"),
        table(of_run / "sub-01_desc-bgpvs_morph.tsv"),
    )
    pd.testing.assert_frame_equal(
        table(place / "results/sub-infant_desc-pvs_objects.tsv"),
        table(of_run / "sub-01_desc-pvs_objects.tsv"),
    )
    of_run_labels = nib.load(of_run / "sub-01_desc-bgpvs_dseg.nii.gz")
    np.testing.assert_array_equal(found.bgpvs.get_fdata(), of_run_labels.get_fdata())
    np.testing.assert_allclose(found.bgpvs.affine, nib.load(place / "T2w.nii.gz").affine)
    assert found.uncertainty.shape == found.nuclei.shape == found.pvs_probability.shape
    assert (place / "infant.html").read_bytes() == (place / "results/sub-infant.html").read_bytes()


def test_a_cohort_leaves_what_the_command_line_leaves(place, told):
    report = told["A cohort"]["report"]
    assert report.labels("done") == ["sub-01"]
    assert report.complete
    for name in ("dataset_description.json", "group_bgpvs.tsv", "sub-01.html", "logs"):
        assert (place / "out" / name).exists()


def test_a_plain_workflow_leaves_a_dataset(place, told):
    assert (place / "plain/dataset_description.json").is_file()
    plain, of_run = (table(place / out / "group_bgpvs.tsv") for out in ("plain", "out"))
    pd.testing.assert_frame_equal(plain, of_run)


def test_own_nodes_run_between_stages_and_before_them(place, told):
    graph = told["A node of your own between two stages"]["graph"]
    (segment,) = (node for node in graph.nodes() if node.fullname.endswith("predict_wf.segment"))
    assert Path(segment.inputs.t2w).name == "brighter.nii.gz"
    assert nib.load(segment.result.outputs.dseg).get_fdata().max() >= 1
    behind = place / "behind/sub-01/anat/sub-01_desc-bgpvs_morph.tsv"
    volume = table(behind).set_index("name").loc["BG", "volume_mm3"]
    assert volume > 3000
    graph = told["Behind your own preprocessing"]["graph"]
    (conform,) = (node for node in graph.nodes() if node.fullname.endswith("conform_t2w"))
    assert Path(conform.inputs.in_file).name == "brighter.nii.gz"
