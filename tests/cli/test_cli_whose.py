"""Whose scan it is, as a user of the command line sees it."""

from __future__ import annotations

import os
import shutil

import pytest


def rename(site, subject, name):
    """Give a scan of a subject another name in its folder."""
    return site.add(subject).rename(site.image(subject).with_name(name))


def test_nobody_vanishes_in_a_dry_run(site):
    site.add("01")
    rename(site, "02", "sub-03_T2w.nii.gz")
    (site.bids / "sub-01" / "anat" / "sub-01_T1w.img").write_text("fine")
    shutil.copytree(site.bids / "sub-01", site.bids / "sub-01 copy")
    done = site.run("--dry-run")
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "cannot run: sub-01 copy is left out: 'sub-01 copy' is no BIDS label (letters" in text
    assert "sub-02/anat/sub-03_T2w.nii.gz: its name says sub-03, its folder sub-02" in text
    assert "sub-01/anat/sub-01_T1w.img: '.img' is not read; convert it to .nii.gz" in text
    assert "1 of 1 would run; nothing was run." in text
    assert "2 cannot run, for the reasons above." in text
    assert not done.stderr.startswith("Traceback")


def test_nobody_vanishes_in_a_run(site):
    site.add("01")
    rename(site, "02", "sub-03_T2w.nii.gz")
    (site.bids / "sub-01" / "anat" / "sub-03_T1w.nii.gz").write_text("fine")
    shutil.copytree(site.bids / "sub-01", site.bids / "sub-01_old")
    done = site.run()
    assert done.returncode == 1
    assert "Done: sub-01." in done.stdout
    assert "Failed: sub-01_old, sub-02:" in done.stdout
    assert "  sub-01_old: is left out: 'sub-01_old' is no BIDS label" in done.stdout
    assert "--session-id old" not in done.stdout
    assert "  sub-01/anat/sub-03_T1w.nii.gz: its name says sub-03, its folder sub-01" in done.stdout
    # The second time, too, when there is nothing to do.
    again = site.run()
    assert again.returncode == 1
    assert "Unchanged: sub-01 finished before." in again.stdout
    assert "sub-01_old: is left out" in again.stdout
    assert "sub-03_T1w.nii.gz: its name says sub-03" in again.stdout


def test_a_dry_run_says_that_nobody_can_run(site):
    image = site.add("01")
    image.unlink()
    image.symlink_to(site.root / "none")
    os.mkfifo(site.image("01").with_name("sub-01_T1w.nii.gz"))
    done = site.run("--dry-run")
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "sub-01/anat/sub-01_T2w.nii.gz: it is a broken link" in text
    assert "sub-01/anat/sub-01_T1w.nii.gz: it is a pipe" in text
    assert "Nobody can run, for the reasons above." in text


def test_a_dry_run_counts_who_lacks_an_age(site):
    site.add("07")
    done = site.run("--dry-run")
    assert done.returncode == 1
    assert "Nobody can run, for the reasons above." in done.stdout


@pytest.mark.parametrize(
    ("option", "label"), [("--participant-label", "01 copy"), ("--session-id", "1-retest")]
)
def test_a_label_that_is_none_is_refused(site, option, label):
    site.add("01")
    done = site.run("--dry-run", option, label)
    assert done.returncode == 2
    assert f"{option} {label}: '" in done.stderr
    assert "is no BIDS label (letters, digits and + only)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_label_with_a_plus_goes_all_the_way(site):
    text = (site.bids / "participants.tsv").read_text()
    (site.bids / "participants.tsv").write_text(text + "sub-A+B\t3\nsub-AB\t3\n")
    site.add("A+B", "fine and longer", session="1+1")
    site.add("AB")
    dry = site.run("--dry-run", "--participant-label", "A+B")
    assert dry.returncode == 0
    assert "sub-A+B_ses-1+1" in dry.stdout
    done = site.run("--participant-label", "A+B", "AB", "--plugin", "MultiProc")
    assert done.returncode == 0, done.stdout
    assert "Done: sub-A+B_ses-1+1, sub-AB." in done.stdout
    folder = site.out / "sub-A+B" / "ses-1+1" / "anat"
    assert (folder / "sub-A+B_ses-1+1_desc-bgpvs_dseg.nii.gz").is_file()
    assert (site.out / "sub-A+B_ses-1+1.html").read_text() != (site.out / "sub-AB.html").read_text()
    rows = [line.split("\t")[:2] for line in (site.out / "group_bgpvs.tsv").open()]
    assert ["A+B", "1+1"] in rows
    assert ["AB", "n/a"] in rows
    again = site.run("--session-id", "1+1")
    assert "Nothing to do: sub-A+B_ses-1+1" in again.stdout
    assert site.call("status", site.out).returncode == 0
