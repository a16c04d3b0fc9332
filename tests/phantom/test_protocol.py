from __future__ import annotations

import pytest

from bgpvs_wf.errors import UsageError
from bgpvs_wf.phantom.protocol import PRESETS, load_protocol, plain


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_read(name):
    protocol = load_protocol(name)
    assert protocol.description
    assert all(size > 0 for size in protocol.t2w.voxel_mm)


def test_presets_differ_as_their_scanners_do():
    dhcp, bcp, clinical = (load_protocol(name) for name in ("dhcp", "bcp", "clinical"))
    assert dhcp.t2w.voxel_mm == (0.5, 0.5, 0.5)
    assert bcp.t2w.voxel_mm == (0.8, 0.8, 0.8)
    assert max(clinical.t2w.voxel_mm) == 1.0
    assert clinical.t2w.snr < min(bcp.t2w.snr, dhcp.t2w.snr)
    assert clinical.misalignment_mm > bcp.misalignment_mm


def test_own_file_says_only_what_differs(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text('base = "bcp"\n[t2w]\nsnr = 20\n[confounders]\nclefts = 0\n')
    ours, bcp = load_protocol(path), load_protocol("bcp")
    assert ours.t2w.snr == 20
    assert ours.t2w.resolution_mm == bcp.t2w.resolution_mm
    assert ours.confounders.clefts == 0
    assert ours.confounders.vessels == bcp.confounders.vessels
    assert ours.t1w == bcp.t1w


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[t2w]\nsnrr = 20\n", "did you mean 't2w.snr'"),
        ("[t2w]\nvoxel_mm = [0.8, 0.8]\n", "t2w.voxel_mm is [0.8, 0.8]; give 3 of them"),
        ("[t2w]\nvoxel_mm = [0.8, 0.8, 9.0]\n", "0.2 to 5"),
        ("[t1w]\nsnr = 0\n", "t1w.snr is 0; give more than 0"),
        ("[t1w]\napodization = 3\n", "t1w.apodization is 3; give 0 to 1"),
        ("[t1w]\nmotion_mm = -1\n", "t1w.motion_mm is -1; give 0 to 50"),
        ("[confounders]\nvessels = -3\n", "confounders.vessels is -3; give 0 to 10000"),
        ('base = "bad.toml"\n', "based on itself"),
        ('base = "siemens"\n', "no protocol 'siemens'"),
        ("[t2w\n", "not valid TOML"),
    ],
)
def test_bad_files_give_one_line(text, message, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r".*") as caught:
        load_protocol(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_may_start_from_one_beside_it(tmp_path):
    (tmp_path / "site.toml").write_text('base = "bcp"\nhindbrain = false\n')
    (tmp_path / "noisy.toml").write_text('base = "site.toml"\n[t2w]\nsnr = 10\n')
    noisy = load_protocol(tmp_path / "noisy.toml")
    assert (noisy.t2w.snr, noisy.hindbrain) == (10, False)


def test_missing_file_and_unknown_preset():
    with pytest.raises(UsageError, match="Cannot read"):
        load_protocol("nowhere.toml")
    with pytest.raises(UsageError, match="plain"):
        load_protocol("philips")


def test_plain_takes_one_size_or_three():
    assert plain(2.0).t2w.voxel_mm == (2.0, 2.0, 2.0)
    assert plain((1.0, 2.0, 3.0)).t1w.voxel_mm == (1.0, 2.0, 3.0)
