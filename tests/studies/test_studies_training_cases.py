"""What is known of labels that are given for a training."""

from __future__ import annotations

import pytest

from bgpvs_wf.errors import TableError
from bgpvs_wf.studies.training_cases import given_labels


def labels_with(folder, table):
    """Return what is known of a subject's labels beside a table of its PVS."""
    stem = folder / "sub-01" / "anat" / "sub-01"
    stem.parent.mkdir(parents=True)
    stem.with_name("sub-01_desc-bgpvs_dseg.nii.gz").touch()
    if table is not None:
        rows = "\n".join("\t".join(row.split()) for row in table)
        stem.with_name("sub-01_desc-pvs_objects.tsv").write_text(f"{rows}\n")
    return given_labels(folder)["sub-01"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (["tube fill volume_mm3", "1 0.4 3.0", "2 0.8 1.0"], 0.5),
        (["tube fill volume_mm3", "1 0.4 3.0", "2 n/a 1.0"], None),
        (["tube fill volume_mm3", "1 0.4 0.0"], None),
        (["tube fill volume_mm3"], None),
        (["tube volume_mm3", "1 3.0"], None),
        (None, None),
    ],
)
def test_how_bright_fluid_is_where_all_tubes_tell(tmp_path, table, expected):
    assert labels_with(tmp_path, table).brightness == expected


def test_a_brightness_that_cannot_be_is_named(tmp_path):
    with pytest.raises(TableError, match=r"objects.*below 0.*line 2.*fill"):
        labels_with(tmp_path, ["tube fill volume_mm3", "1 -0.4 3.0"])
