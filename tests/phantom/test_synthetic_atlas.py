from __future__ import annotations

import gzip
import itertools
import json
from importlib import resources

import nibabel as nib
import numpy as np
import pytest

from bgpvs_wf.anatomy.labels import REGIONS
from bgpvs_wf.anatomy.registry import load_atlas
from bgpvs_wf.phantom.atlas import AGES, build_atlas, main


@pytest.fixture(scope="module")
def embedded():
    with resources.as_file(resources.files("bgpvs_wf.data") / "atlases" / "synthetic") as folder:
        yield folder


def test_is_rebuilt_bit_for_bit(embedded, tmp_path):
    build_atlas(tmp_path, ages=("32w",))
    rebuilt = sorted(path for path in tmp_path.iterdir() if path.name != "atlas.json")
    assert len(rebuilt) == 3
    for path in rebuilt:
        # How they are packed is another matter.
        made, known = (gzip.decompress(p.read_bytes()) for p in (path, embedded / path.name))
        assert made == known, path.name
    entry = json.loads((tmp_path / "atlas.json").read_text())["entries"][0]
    assert entry in json.loads((embedded / "atlas.json").read_text())["entries"]


def test_covers_all_ages_without_gaps(embedded):
    atlas = load_atlas(embedded)
    assert len(atlas.entries) == len(AGES)
    windows = [(entry.min_age_weeks, entry.max_age_weeks) for entry in atlas.entries]
    assert windows[0][0] == 28
    assert windows[-1][1] == 160
    assert all(a[1] == b[0] for a, b in itertools.pairwise(windows))


def test_images_and_labels_share_a_grid(embedded):
    for entry in load_atlas(embedded).entries:
        dseg = nib.load(entry.dseg)
        labels = np.asarray(dseg.dataobj)
        assert set(np.unique(labels)) - {0} <= set(REGIONS)
        for path in (entry.t1w, entry.t2w):
            image = nib.load(path)
            assert image.shape == dseg.shape
            assert np.allclose(image.affine, dseg.affine)
            assert not np.asarray(image.dataobj)[labels == 0].any()


def test_stays_small(embedded):
    assert sum(path.stat().st_size for path in embedded.iterdir()) < 8e6


def test_command_says_how_to_call_it(capsys):
    assert main([]) == 2
    assert "OUT" in capsys.readouterr().err
