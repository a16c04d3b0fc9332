from __future__ import annotations

import pandas as pd
import pytest

from bgpvs_wf.cli.main import main


def test_writes_subjects_of_the_ages_in_turn(tmp_path, capsys):
    out = tmp_path / "bids"
    arguments = ["simulate", str(out), "--subjects", "3", "--ages", "40w,3m", "--voxel-size", "4"]
    assert main([*arguments, "--no-hindbrain", "--misalign", "1,2", "--tubes", "2"]) == 0
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
        (["--subjects", "0"], "one or more"),
        (["--voxel-size", "9"], "0.2 to 5"),
        (["--voxel-size", "1,2"], "--voxel-size"),
        (["--misalign", "3"], "--misalign"),
        (["--seed", "-1"], "seed"),
        (["--noise", "-1"], "negative"),
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
