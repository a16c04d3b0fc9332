"""docs/tutorials/python.md: every example runs, in its order, and does what it says."""

from __future__ import annotations

import os
import runpy
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from fences import DOCS, blocks, write_commands, write_script

PAGE = DOCS / "tutorials" / "python.md"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder with the scans that the page makes first: an infant at 1.5 mm."""
    root = tmp_path_factory.mktemp("python")
    environment = os.environ | {"PATH": f"{write_commands(root / 'bin')}:{os.environ['PATH']}"}
    script = write_script(PAGE, root, languages=("bash",))
    subprocess.run(["bash", str(script)], cwd=root, env=environment, check=True)
    return root


@pytest.fixture(scope="module")
def told(place) -> dict[str, dict[str, Any]]:
    """Run all examples as one script; return the names that each section leaves."""
    lines = ["left = {}"]
    for block in blocks(PAGE):
        if block.language == "python":
            lines += [block.text, f"left[{block.heading!r}] = dict(globals())"]
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
    result = place / "own_work/with_a_node_of_mine/predict_wf/segment"
    assert {f"{name}.nii.gz" for name in ("dseg", "anatomy", "pvs_probability", "uncertainty")} <= {
        path.name for path in result.iterdir()
    }
    assert not (place / "own").exists()
    behind = place / "behind/sub-01/anat/sub-01_desc-bgpvs_morph.tsv"
    volume = table(behind).set_index("name").loc["BG", "volume_mm3"]
    assert volume > 3000
    graph = told["Behind your own preprocessing"]["graph"]
    (conform,) = (node for node in graph.nodes() if node.fullname.endswith("conform_t2w"))
    assert Path(conform.inputs.in_file).name == "brighter.nii.gz"
