"""Models for those who have MONAI and not this program: the same probabilities and labels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import expit, softmax
from toy_networks import head_networks, random_model, random_network

from bgpvs_wf.anatomy.labels import BG_LABELS, NUCLEI, VENTRICLE_LABELS
from bgpvs_wf.imaging.geometry import Grid, resample, voxel_sizes
from bgpvs_wf.learning.data.cascade_input import frame_of, whole_context
from bgpvs_wf.learning.data.pvs_input import pvs_input
from bgpvs_wf.learning.data.scan import Scan
from bgpvs_wf.learning.models.bundle import Model, NetworkFile, find_model, load_network
from bgpvs_wf.learning.nets.architectures import ANATOMY, COARSE, HEAD, MASK, PVS
from bgpvs_wf.learning.nets.sliding_window import apply_network

if TYPE_CHECKING:
    from bgpvs_wf.phantom.subject import SyntheticInfant

ALONE = """
import sys
from pathlib import Path


class Nobody:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "bgpvs_wf":
            raise ImportError(f"{name} is not there")


sys.meta_path.insert(0, Nobody())
import numpy
import torch
from monai.bundle import load, run

folder, work = map(Path, sys.argv[1:3])
for which in sys.argv[3:]:
    run(
        run_id=f"{which}run",
        config_file=str(folder / "configs" / "inference.json"),
        bundle_root=str(folder),
        image=str(work / f"{which}image.npy"),
        output=str(work / f"{which}logits.npy"),
        device="$torch.device('cpu')",
    )
network = load(folder.name, bundle_dir=folder.parent, workflow_type="inference", device="cpu")
print(sum(float(value.double().sum()) for value in network.state_dict().values()))
assert not any(name.startswith("bgpvs_wf") for name in sys.modules)
"""


@pytest.fixture(autouse=True, scope="module")
def toy_windows():
    """Leave the networks their windows: the bundle has them written down."""


@pytest.fixture(scope="module")
def any_model(tmp_path_factory) -> Model:
    folder = tmp_path_factory.mktemp("any") / "any"
    return random_model(folder, head=head_networks(), fine=[member(1), member(2)])


def member(seed: int) -> list[object]:
    return [random_network(ANATOMY, seed), random_network(PVS, seed)]


def test_every_network_of_a_model_gives_the_same_without_the_program(any_model, tmp_path):
    rng = np.random.default_rng(1)
    images = {
        file.file: rng.normal(size=(len(file.network.inputs), 20, 18, 16)).astype(np.float32)
        for file in any_model.files
    }
    found, total = run_alone(any_model, images, tmp_path)
    for file in any_model.files:
        np.testing.assert_allclose(found[file.file], ours(any_model, file, images), atol=1e-4)
    # MONAI loads the main network by the name of the folder.
    own = load_network(any_model, any_model.fine[0][0], "cpu").state_dict()
    assert total == pytest.approx(sum(float(value.double().sum()) for value in own.values()))


@pytest.mark.slow
def test_the_model_in_the_box_gives_the_same_labels_without_the_program(tiny_infant, tmp_path):
    model = find_model()
    told = what_networks_see(tiny_infant)
    images = {file.file: told[file.network.tells] for file in model.files}
    found, _ = run_alone(model, images, tmp_path)
    for file in model.files:
        theirs, own = found[file.file], ours(model, file, images)
        np.testing.assert_allclose(theirs, own, atol=1e-4, err_msg=file.file)
        np.testing.assert_array_equal(labels(model, file, theirs), labels(model, file, own))
        assert labels(model, file, own).mean() > 0, file.file


def run_alone(
    model: Model, images: Mapping[str, np.ndarray], work: Path
) -> tuple[dict[str, np.ndarray], float]:
    """Return the probabilities that MONAI gives by itself, and the sum of what it loads."""
    names = {file: Path(file).stem.removeprefix("model").removeprefix("_") for file in images}
    names = {file: f"{name}_" if name else "" for file, name in names.items()}
    for file, image in images.items():
        np.save(work / f"{names[file]}image.npy", image)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(model.folder), str(work), *names.values()],
        capture_output=True, text=True, cwd=work, env=environ, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {}
    for network in model.files:
        logits = np.load(work / f"{names[network.file]}logits.npy")
        found[network.file] = logits if network.network.tells == PVS else softmax(logits, axis=0)
        if network.network.tells == PVS:
            logits[0] = expit(logits[0])
    return found, float(done.stdout.split()[-1])


def ours(model: Model, file: NetworkFile, images: Mapping[str, np.ndarray]) -> np.ndarray:
    return apply_network(load_network(model, file, "cpu"), file.network, images[file.file])


def labels(model: Model, file: NetworkFile, shares: np.ndarray) -> np.ndarray:
    return shares[0] >= model.pvs_threshold if file.network.tells == PVS else shares.argmax(0)


def what_networks_see(infant: SyntheticInfant) -> dict[str, np.ndarray]:
    """Return the input of each kind of network, of an infant whose nuclei are known."""
    scan = Scan.from_arrays(infant.t2w, infant.t1w, infant.affine)
    coarse, _ = scan.coarse()
    dseg = resample(infant.dseg, infant.affine, scan.grid, 0)
    images = scan.boxed(scan.box_around(np.isin(dseg, list(NUCLEI)), scan.grid))

    def share(which: Collection[int], on: Grid) -> np.ndarray:
        return resample(np.isin(dseg, which).astype(np.float32), scan.grid.affine, on)

    fine = images.fine_grid
    told = np.stack([share(list(NUCLEI), fine), share(VENTRICLE_LABELS, fine)])
    places = np.moveaxis(np.indices(fine.shape), 0, -1)
    context = whole_context(told, places, frame_of(told[0] > 0.5))
    bg = share(BG_LABELS, images.own_grid) > 0.5
    return {
        **dict.fromkeys((HEAD, MASK, COARSE), coarse),
        ANATOMY: np.concatenate([images.fine, context]).astype(np.float32),
        PVS: pvs_input(images.own, bg, voxel_sizes(images.own_grid.affine)),
    }
