from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.cli.main import main


def test_writes_subjects_of_the_ages_in_turn(tmp_path, capsys):
    out = tmp_path / "bids"
    preset = tmp_path / "coarse.toml"
    sizes = "voxel_mm = [4.0, 4.0, 4.0]"
    preset.write_text(f'base = "plain"\nhindbrain = false\n[t2w]\n{sizes}\n[t1w]\n{sizes}\n')
    arguments = ["simulate", str(out), "--subjects", "3", "--ages", "40w,3m", "--tubes", "2"]
    assert main([*arguments, "--preset", str(preset), "--jobs", "2"]) == 0
    table = pd.read_csv(out / "participants.tsv", sep="\t")
    assert table["age"].tolist() == pytest.approx([40, 53.04, 40], abs=0.01)
    printed = capsys.readouterr().out
    assert "sub-03: 40.0 weeks" in printed
    assert str(out) in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ages", "20w"], "28 to 160"),
        (["--ages", "soon"], "--ages"),
        (["--ages", "40w,30m"], "28 to 160"),
        (["--subjects", "0"], "--subjects is 0; give 1 or more"),
        (["--preset", "siemens"], "no protocol 'siemens'"),
        (["--preset", "nowhere.toml"], "Cannot read"),
        (["--seed", "-1"], "--seed is -1; give 0 to"),
        (["--tubes", "-1"], "--tubes is -1; give 0 to"),
        (["--jobs", "0"], "--jobs is 0; give 1 or more"),
        (["--cases", "2"], "--cases can only be given with --onto"),
        (["--derivatives", "a=b"], "--derivatives can only be given with --onto"),
        (["--onto", "x", "--subjects", "3"], "--subjects cannot be given with --onto"),
        (["--onto", "x", "--from-dseg", "y", "--ages", "3m"], "--ages, --from-dseg cannot be"),
        (["--table", "aseg"], "--table is of the label map of --from-dseg"),
    ],
)
def test_bad_arguments_give_one_line(arguments, message, tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_full_or_impossible_folder_gives_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert main(["simulate", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert main(["simulate", str(tmp_path / "file" / "below")]) == 2
    error = capsys.readouterr().err
    assert "Cannot write" in error
    assert error.count("\n") == 1


def test_missing_label_map_gives_one_line(tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "out"), "--from-dseg", "nowhere.nii.gz"]) == 1
    error = capsys.readouterr().err
    assert "does not exist" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_takes_the_anatomy_from_a_label_map(tmp_path, capsys):
    source = tmp_path / "source"
    preset = tmp_path / "coarse.toml"
    sizes = "voxel_mm = [2.0, 2.0, 2.0]"
    preset.write_text(f'base = "plain"\n[t2w]\n{sizes}\n[t1w]\n{sizes}\n')
    common = ["--subjects", "1", "--ages", "92w", "--preset", str(preset), "--tubes", "1"]
    assert main(["simulate", str(source), *common]) == 0
    truth = source / "derivatives" / "truth" / "sub-01" / "anat" / "sub-01_desc-anatomy_dseg.nii.gz"
    out = tmp_path / "copy"
    assert main(["simulate", str(out), *common, "--from-dseg", str(truth), "--seed", "3"]) == 0
    volumes = []
    for root in (source, out):
        image = nib.load(root / truth.relative_to(source))
        volumes.append((np.asarray(image.dataobj) == 12).sum() * 8.0)
    # Deformed at random, and sizes differ by some percent.
    assert volumes[0] != volumes[1]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.35)


def test_help_tells_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for default in ("infants (default: 3)", "protocol (default: bcp)", "scan (default: 1)"):
        assert default in said
    assert "None" not in said
