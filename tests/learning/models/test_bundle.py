"""Models on disk: written, read back, checked, and understood by MONAI."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_networks import random_model, random_network

from bgpvs_wf.errors import ModelError
from bgpvs_wf.learning.data.classes import CONTEXT
from bgpvs_wf.learning.models import bundle
from bgpvs_wf.learning.models.bundle import Model, find_model, load_network, read_bundle
from bgpvs_wf.learning.nets.architectures import (
    ANATOMY,
    COARSE,
    PVS,
    NetworkConfig,
    build_network,
)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return random_model(tmp_path / "model")


def member(*seeds: int) -> list[object]:
    return [random_network(t, seed=i) for t, i in zip((ANATOMY, PVS), seeds, strict=True)]


@pytest.fixture
def ensemble(tmp_path: Path) -> Model:
    return random_model(tmp_path / "ensemble", fine=[member(1, 1), member(2, 2)])


def test_a_model_comes_back_as_it_was(model):
    assert read_bundle(model.folder) == model
    config, weights = random_network(ANATOMY)
    assert model.fine[0][0].network == config
    network = load_network(model, model.fine[0][0], "cpu")
    assert not network.training
    for name, value in network.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, weights[name], rtol=1e-3, atol=1e-4)


def test_files_are_those_of_the_bundle_specification(model, ensemble):
    names = {p.relative_to(model.folder).as_posix() for p in model.folder.rglob("*.*")}
    assert names == {
        "configs/metadata.json",
        "configs/inference.json",
        "docs/README.md",
        "models/coarse.pt",
        "models/model.pt",
        "models/model_pvs.pt",
    }
    assert (model.folder / "LICENSE").is_file()
    weights = {p.name for p in ensemble.folder.glob("models/*")}
    assert weights == {"coarse.pt", *(f"model{i}{p}.pt" for i in ("", "_2") for p in ("", "_pvs"))}
    assert not list(model.folder.parent.glob(".*"))
    assert (model.folder / "docs" / "README.md").read_text() == "# Random\n"


def test_weights_take_half_precision_once(model):
    network = build_network(model.coarse.network)
    numbers = sum(value.numel() for value in network.parameters())
    # MONAI's network names each of its layers twice.
    assert (model.folder / "models" / "coarse.pt").stat().st_size < 2 * numbers + 40_000


def test_the_same_weights_give_the_same_files(model, tmp_path):
    again = random_model(tmp_path / "again")
    assert [f.sha256 for f in again.files] == [f.sha256 for f in model.files]
    assert again.checksum == model.checksum


def test_the_checksum_is_that_of_what_changes_results(model, tmp_path):
    others = {
        "threshold": {"pvs_threshold": 0.4},
        "margin": {"tube_volume_margin": 0.4},
        "coarse": {"coarse": random_network(COARSE, seed=1)},
        "fine": {"fine": [member(1, 0)]},
        "PVS": {"fine": [member(0, 1)]},
        "members": {"fine": [member(0, 0)] * 2},
    }
    sums = [random_model(tmp_path / name, **change).checksum for name, change in others.items()]
    assert len({model.checksum, *sums}) == 7
    assert read_bundle(tmp_path / "margin").tube_volume_margin == 0.4
    renamed = random_model(tmp_path / "renamed", name="other", card="x", facts={"version": "2"})
    assert renamed.checksum == model.checksum


def test_a_margin_of_voxels_is_none_of_tubes(tmp_path):
    """Models of before have one of that meaning."""
    model = random_model(tmp_path / "model")
    path = model.folder / "configs" / "metadata.json"
    described = json.loads(path.read_text())
    described["bgpvs_wf"]["volume_margin"] = 2.5
    del described["bgpvs_wf"]["tube_volume_margin"]
    path.write_text(json.dumps(described))
    assert read_bundle(model.folder) == model
    assert model.tube_volume_margin is None


def test_facts_win_over_what_is_filled_in(tmp_path):
    facts = {"version": "1.2.3", "eval_metrics": {"bg_dice": 0.9}}
    model = random_model(tmp_path / "model", facts=facts)
    described = json.loads((model.folder / "configs" / "metadata.json").read_text())
    assert described["version"] == "1.2.3"
    assert described["eval_metrics"] == {"bg_dice": 0.9}
    wanted = {
        *("schema", "changelog", "monai_version", "pytorch_version", "numpy_version", "task"),
        *("required_packages_version", "description", "authors", "copyright", "data_source"),
        *("intended_use", "network_data_format", "coarse_network_data_format"),
    }
    assert wanted <= set(described)


def test_metadata_name_the_channels(model):
    described = json.loads((model.folder / "configs" / "metadata.json").read_text())
    for part, names in (
        ("coarse_", ("T2w", "T1w")),
        ("", ("T2w", "T1w", *CONTEXT)),
        ("pvs_", NetworkConfig(tells=PVS).inputs),
    ):
        image = described[f"{part}network_data_format"]["inputs"]["image"]
        assert tuple(image["channel_def"].values()) == names
        assert image["num_channels"] == len(names)


def test_a_model_is_replaced_whole_and_nothing_else_is(model, tmp_path):
    again = random_model(model.folder, pvs_threshold=0.3)
    assert read_bundle(model.folder).pvs_threshold == again.pvs_threshold == 0.3
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("x")
    with pytest.raises(ModelError, match="is there and no model"):
        random_model(other)
    before = again.checksum
    with pytest.raises(AttributeError):
        random_model(model.folder, coarse=(random_network(COARSE)[0], {"a": "no tensor"}))
    assert read_bundle(model.folder).checksum == before
    assert {p.name for p in model.folder.parent.iterdir()} == {"model", "other"}


@pytest.mark.parametrize(
    "change",
    [
        {"coarse": random_network(ANATOMY)},
        {"fine": []},
        {"fine": [[random_network(ANATOMY)]]},
        {"fine": [[random_network(PVS), random_network(ANATOMY)]]},
        {"pvs_threshold": 1.0},
    ],
    ids=["no coarse", "no fine", "no PVS", "wrong order", "threshold"],
)
def test_what_makes_no_model_is_not_written(tmp_path, change):
    with pytest.raises(ValueError, match=r"network|threshold"):
        random_model(tmp_path / "model", **change)
    assert not (tmp_path / "model").exists()


def _missing(folder: Path) -> None:
    (folder / "models" / "model.pt").unlink()


def _damaged(folder: Path) -> None:
    path = folder / "models" / "model.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _exchanged(folder: Path) -> None:
    shutil.copy(folder / "models" / "coarse.pt", folder / "models" / "model.pt")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_missing, "no such file"),
        (_damaged, "damaged or were changed"),
        (_exchanged, "damaged or were changed"),
    ],
)
def test_weights_are_checked_before_they_are_used(model, harm, words):
    harm(model.folder)
    assert read_bundle(model.folder) == model
    with pytest.raises(ModelError, match=words) as caught:
        load_network(model, model.fine[0][0], "cpu")
    assert "\n" not in str(caught.value)
    assert "models/model.pt" in str(caught.value)
    with pytest.raises(ModelError, match=words):
        bundle.check_weights(model)


def test_weights_of_another_network(model):
    other = bundle.NetworkFile(
        file=model.coarse.file, sha256=model.coarse.sha256, network=model.fine[0][0].network
    )
    with pytest.raises(ModelError, match="do not fit the network"):
        load_network(model, other, "cpu")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("tells", [COARSE, ANATOMY, PVS])
def test_weights_that_are_no_numbers_are_named(tmp_path, tells, value):
    networks = {one: random_network(one) for one in (COARSE, ANATOMY, PVS)}
    next(iter(networks[tells][1].values())).view(-1)[0] = value
    fine = [[networks[ANATOMY], networks[PVS]]]
    model = random_model(tmp_path / "model", coarse=networks[COARSE], fine=fine)
    file = next(file for file in model.files if file.network.tells == tells)
    with pytest.raises(ModelError, match="give no numbers") as caught:
        load_network(model, file, "cpu")
    assert str(model.folder / file.file) in str(caught.value)


def test_weights_so_large_that_nothing_comes_out_are_blamed_and_not_the_image():
    from bgpvs_wf.learning.nets.sliding_window import apply_network

    config = random_network(PVS)[0]
    network = build_network(config)
    for value in network.parameters():
        value.data.fill_(3e38).view(-1)[::2] *= -1  # infinity less infinity is no number
    images = np.ones((len(config.inputs), 8, 8, 8), np.float32)
    with pytest.raises(ModelError, match="network that tells pvs give no numbers"):
        apply_network(network, config, images)


def test_weights_are_no_program(model, tmp_path):
    """A pickle that would run code is refused, even with the right checksum."""
    import hashlib
    import pickle

    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harm",))

    content = pickle.dumps(Harm())
    (model.folder / "models" / "coarse.pt").write_bytes(content)
    file = bundle.NetworkFile(
        file="models/coarse.pt",
        sha256=hashlib.sha256(content).hexdigest(),
        network=model.coarse.network,
    )
    with pytest.raises(ModelError, match="do not fit"):
        load_network(model, file, "cpu")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged or of another program"),
        ("[]", "damaged or of another program"),
        ("{}", "no section 'bgpvs_wf'"),
        ('{"bgpvs_wf": {"name": "x"}}', "no model that this version can use"),
        ('{"bgpvs_wf": 3}', "no model that this version can use"),
        (None, "has no configs/metadata.json"),
    ],
)
def test_a_folder_that_is_no_model(tmp_path, text, words):
    (tmp_path / "configs").mkdir()
    if text is not None:
        (tmp_path / "configs" / "metadata.json").write_text(text)
    with pytest.raises(ModelError, match=words) as caught:
        find_model(str(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_models_in_the_box(model, tmp_path, monkeypatch):
    box = tmp_path / "box"
    monkeypatch.setattr(bundle, "models_folder", lambda: box)
    with pytest.raises(ModelError, match="no model in the box yet; give --model PATH or"):
        find_model()
    with pytest.raises(ModelError, match="'nowhere/x' is no folder, and there is no model"):
        find_model("nowhere/x")
    shutil.copytree(model.folder, box / "other")
    with pytest.raises(ModelError, match=r"no model 'infant'; in the box: other;"):
        find_model("")
    shutil.copytree(model.folder, box / "infant")
    assert find_model().folder == box / "infant"
    assert find_model("other").folder == box / "other"
    monkeypatch.chdir(tmp_path)
    assert find_model("model") == model
    # A name means the one in the box, a path what it says.
    assert find_model("./model") == find_model(str(model.folder)) == model
    with pytest.raises(ModelError, match="There is no model 'mine'; in the box: infant, other"):
        find_model("mine")


def test_metadata_are_read_without_torch(model):
    script = (
        "import sys; from bgpvs_wf.learning.models.bundle import find_model;"
        f"print(find_model({str(model.folder)!r}).checksum, 'torch' in sys.modules,"
        "'monai' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [model.checksum, "False", "False"]


def test_monai_parses_the_bundle_and_loads_the_weights(model):
    from monai.bundle import ConfigParser, verify_net_in_out

    configs = model.folder / "configs"
    parser = ConfigParser()
    parser.read_config(configs / "inference.json")
    parser["bundle_root"] = str(model.folder)
    anatomy, pvs = model.fine[0]
    for name, file in (("", anatomy), ("pvs_", pvs), ("coarse_", model.coarse)):
        network = parser.get_parsed_content(f"{name}network_def")
        network.load_state_dict(parser.get_parsed_content(f"{name}weights"))
        ours = load_network(model, file, "cpu").state_dict()
        theirs = network.state_dict()
        # The layers of a network for PVS have other names there, in the same order.
        assert file.network.tells == PVS or set(theirs) >= set(ours)
        for value, own in zip(theirs.values(), ours.values(), strict=True):
            assert torch.equal(value, own)
    inferer = parser.get_parsed_content("inferer")
    assert tuple(inferer.roi_size) == bundle_window()
    logging.disable(logging.INFO)
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(configs / "metadata.json"),
        config_file=str(configs / "inference.json"),
        device="cpu",
    )
    logging.disable(logging.NOTSET)


def bundle_window() -> tuple[int, int, int]:
    from bgpvs_wf.learning.nets.sliding_window import WINDOWS

    return WINDOWS[ANATOMY]


def test_monai_runs_the_bundle(model):
    from monai.bundle import run

    from bgpvs_wf.learning.nets.sliding_window import apply_network

    channels = len(model.fine[0][0].network.inputs)
    image = np.random.default_rng(0).normal(size=(channels, 30, 20, 25)).astype(np.float32)
    np.save(model.folder / "image.npy", image)
    run(
        config_file=str(model.folder / "configs" / "inference.json"),
        meta_file=str(model.folder / "configs" / "metadata.json"),
        bundle_root=str(model.folder),
    )
    torch.set_grad_enabled(True)
    logits = torch.from_numpy(np.load(model.folder / "logits.npy"))
    file = model.fine[0][0]
    ours = apply_network(load_network(model, file, "cpu"), file.network, image)
    np.testing.assert_allclose(logits.softmax(0), ours, atol=1e-5)
