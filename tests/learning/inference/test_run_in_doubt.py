"""`bgpvs-wf run` on scans that are in doubt: what is said at its end, on pages, in sidecars and
in tables."""

from __future__ import annotations

import dataclasses
import gzip
import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from toy_networks import toy_head, toy_model
from toy_site import Site

from bgpvs_wf.imaging.files import save_image


@pytest.fixture(autouse=True, scope="module")
def toy_windows():
    """Leave the networks their windows: processes of their own have no others."""


def _scan(site, subject, suffix="T2w"):
    return site.bids / f"sub-{subject}" / "anat" / f"sub-{subject}_{suffix}.nii.gz"


def _change(path, **fields):
    """Write another value into fields of a header, whatever it means."""
    image = nib.load(path)
    raw = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(raw[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    path.unlink()
    plain = path.with_name("plain.nii")
    plain.write_bytes(header.binaryblock + raw[348:])
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def _images(toy):
    return [(name, getattr(toy, name)) for name in ("t2w", "t1w")]


def _no_codes(path):
    _change(path, qform_code=0, sform_code=0)


def _moved_qform(path):
    _change(path, qoffset_x=77.0)


def _rewritten(path, change):
    image = nib.load(path)
    save_image(change(np.asarray(image.dataobj)).astype(np.float32), image.affine, path)


def _larger_sform(path):
    rows = {f"srow_{axis}": nib.load(path).header[f"srow_{axis}"] * 1.12 for axis in "xyz"}
    _change(path, **rows, sform_code=4)


def _thick(site, subject, edge):
    toy = toy_head((1.0, 1.0, edge))
    for suffix in ("T2w", "T1w"):
        save_image(getattr(toy, suffix.lower()), toy.affine, _scan(site, subject, suffix))


def _masked(site, subject):
    path = _scan(site, subject, "desc-brain_mask")
    save_image(site.toy.t2w > 0, site.toy.affine, path, labels=True)
    _moved_qform(path)
    _moved_qform(_scan(site, subject, "T1w"))


def _zscored(data):
    return (data - data.mean()) / data.std()


T2W, T1W = "T2w", "T1w"
CASES = {
    # subject: what is done to it, parts of what is said, whether sides are known
    "fine": (lambda s, n: None, (), True),
    "codes": (lambda s, n: _no_codes(_scan(s, n)), ("T2w sub-codes_T2w.nii.gz has no",), False),
    "scale": (lambda s, n: _larger_sform(_scan(s, n)), ("1.12 x 1.12 mm by its sform",), True),
    "zscored": (lambda s, n: _rewritten(_scan(s, n), _zscored), ("it was shifted there",), True),
    "mask": (
        _masked,
        ("Brain mask sub-mask_desc-brain_mask.nii.gz has a qform", "sub-mask_T1w.nii.gz has a"),
        True,
    ),
    "thick": (lambda s, n: _thick(s, n, 2.8), ("hardly any PVS of an infant can be seen",), True),
}  # fmt: skip
FAILS = {
    "offset": (lambda p: _change(p, vox_offset=0), "has a damaged header (vox_offset 0"),
    "inverted": (lambda p: _rewritten(p, lambda x: 500 - x), "looks inverted"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Site:
    site = Site.found(tmp_path_factory.mktemp("in_doubt"))
    toy_model(site.model)
    # A real head has more grey levels than a painted one.
    little = np.random.default_rng(1).uniform(0, 0.01, site.toy.t2w.shape).astype(np.float32)
    site.toy = dataclasses.replace(
        site.toy, **{n: np.where(i > 0, i + little, 0) for n, i in _images(site.toy)}
    )
    for name, (change, _, _) in CASES.items():
        site.add(name, "T2w", "T1w")
        change(site, name)
    for name, (spoil, _) in FAILS.items():
        site.add(name, "T2w", "T1w")
        spoil(_scan(site, name))
    return site


@pytest.fixture(scope="module")
def runs(site):
    return [site.run(), site.run()]


@pytest.mark.parametrize("name", CASES)
def test_doubts_are_said_wherever_people_look(site, runs, name):
    _, parts, _ = CASES[name]
    page = (site.out / f"sub-{name}.html").read_text()
    sidecars = list((site.out / f"sub-{name}" / "anat").glob("*.json"))
    assert len(sidecars) > 5
    warnings = [json.loads(path.read_text()).get("Warnings", []) for path in sidecars]
    assert all(told == warnings[0] for told in warnings)
    # Of a toy's volumes there are doubts of their own; those of its files name them.
    assert bool([told for told in warnings[0] if f"sub-{name}" in told]) == bool(parts)
    for part in parts:
        assert part in " ".join(warnings[0])
        assert part in page
    for run in runs:  # also when it was finished before
        said = [line for line in run.stdout.splitlines() if line.startswith(f"  sub-{name}: ")]
        said = [line for line in said if " page:" not in line]
        assert len(said) == 1  # of a toy there is always something
        assert all(part in line for part in parts for line in said)
        assert "In doubt: " in run.stdout
        assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize("name", CASES)
def test_sides_that_are_not_known_are_marked_in_the_tables(site, runs, name):
    known = CASES[name][2]
    sides = {"left", "right"} if known else {"left?", "right?"}
    folder = site.out / f"sub-{name}" / "anat"
    regions = pd.read_csv(folder / f"sub-{name}_desc-bgpvs_morph.tsv", sep="\t")
    assert set(regions["side"]) == {*sides, "both"}
    one = regions[regions["side"] != "both"]
    assert (one["name"].str.endswith("?") == (not known)).all()
    assert not regions.loc[regions["side"] == "both", "name"].str.endswith("?").any()
    objects = pd.read_csv(folder / f"sub-{name}_desc-pvs_objects.tsv", sep="\t")
    assert set(objects["side"]) <= sides
    group = pd.read_csv(site.out / "group_bgpvs.tsv", sep="\t")
    mine = group[group["subject"] == name]
    assert set(mine["side"]) == {*sides, "both"}
    page = (site.out / f"sub-{name}.html").read_text()
    assert (">R?<" in page) == (not known)
    assert ("which is not known" in page) == (not known)


@pytest.mark.parametrize("name", ["fine", "scale", "zscored", "mask"])
def test_what_could_be_settled_gives_the_right_numbers(site, runs, name):
    np.testing.assert_array_equal(site.load("desc-bgpvs_dseg", name), site.toy.bgpvs)
    tables = [
        pd.read_csv(site.out / f"sub-{one}" / "anat" / f"sub-{one}_desc-bgpvs_morph.tsv", sep="\t")
        for one in (name, "fine")
    ]
    # The brightness of a brain is that of its mask, where there is one.
    pd.testing.assert_frame_equal(*tables, rtol=1e-3 if name == "mask" else 1e-12)


def test_pvs_that_cannot_be_seen_are_no_number_on_the_page(site, runs):
    shown = "<dt>PVS in the basal ganglia</dt><dd><b>"
    assert shown + "–" in (site.out / "sub-thick.html").read_text()
    assert shown + "2" in (site.out / "sub-fine.html").read_text()


@pytest.mark.parametrize("name", FAILS)
def test_what_cannot_be_settled_fails_alone_in_one_line(site, runs, name):
    for run in runs:
        assert run.returncode == 1
        (line,) = [one for one in run.stdout.splitlines() if one.startswith(f"  sub-{name}: ")]
        assert line.startswith(f"  sub-{name}: prepare: T2w ")
        assert FAILS[name][1] in line
    assert not (site.out / f"sub-{name}.html").exists()


@pytest.mark.parametrize(
    "segmentation", ["pseudolabel", pytest.param("both", marks=pytest.mark.slow)]
)
def test_given_nuclei_are_in_doubt_too(site, runs, segmentation):
    """And the other ways to segment say what they doubt."""
    truth = site.bids / "derivatives" / "truth"
    site.add("given", "T2w", "T1w")
    (labels,) = truth.glob("sub-given/anat/*.nii.gz")
    for path in (_scan(site, "given"), _scan(site, "given", T1W), labels):
        image = nib.load(path)
        data = np.asanyarray(image.dataobj)[::-1]  # as a header without codes is taken
        save_image(data, np.diag([-1.0, 1, 1, 1]) @ image.affine, path)
        _no_codes(path)
    words = ["--segmentation", segmentation, "--strategy", "filter", "--anatomy", "derivatives"]
    words += ["--derivatives", f"truth={truth}", "--participant-label", "given"]
    run = site.run(*words)
    assert run.returncode == 0, run.stdout + run.stderr
    (line,) = [one for one in run.stdout.splitlines() if one.startswith("  sub-given: T2w ")]
    assert "dseg sub-given_desc-aseg_dseg.nii.gz has no orientation" in line
    regions = pd.read_csv(
        site.out / "sub-given" / "anat" / "sub-given_desc-bgpvs_morph.tsv", sep="\t"
    )
    assert set(regions["side"]) == {"left?", "right?", "both"}
