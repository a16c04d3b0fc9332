"""What a bundle says of itself in MONAI's words: metadata, and how to run its networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata as packages
from typing import Any

from bgpvs_wf.learning.data.scan import CLIP
from bgpvs_wf.learning.nets.architectures import (
    CHANNELS,
    PVS,
    NetworkConfig,
    network_arguments,
)
from bgpvs_wf.learning.nets.sliding_window import OVERLAP, WINDOWS

_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
LICENSE = "Apache License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0\n"


def part_names(number: int) -> tuple[str, str]:
    """Return the names of the networks of a member; the first of all is what MONAI looks for.

    Examples
    --------
    >>> part_names(0), part_names(1)
    (('model', 'model_pvs'), ('model_2', 'model_2_pvs'))
    """
    name = "model" if number == 0 else f"model_{number + 1}"
    return name, f"{name}_pvs"


def metadata(parts: Mapping[str, NetworkConfig]) -> dict[str, Any]:
    """Return MONAI's metadata of a bundle.

    Parameters
    ----------
    parts : mapping of str to NetworkConfig
        Name of a network to it; `model` is the main one.
    """
    return {
        "schema": _SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": "first version"},
        "monai_version": packages.version("monai"),
        # Without the build (`+cpu`), which does not matter.
        "pytorch_version": packages.version("torch").partition("+")[0],
        "numpy_version": packages.version("numpy"),
        # The networks need MONAI alone; what turns scans into results is this program.
        "required_packages_version": {},
        "task": "Segmentation of the basal ganglia and their perivascular spaces in infant MRI",
        "description": "A network finds the brain in a whole head at 4 mm, and how it lies; "
        "another sees what is brain at 2 mm; a coarse one finds the nuclei in it at 2 mm; a fine "
        "one segments them in a box at 1 mm; another finds the perivascular spaces in them on the "
        "scan's own grid.",
        "authors": "The bgpvs-wf developers",
        "copyright": "The bgpvs-wf developers",
        "data_source": "",
        "intended_use": "Research; not for diagnosis",
        **{_prefixed(name, "network_data_format"): _data(c) for name, c in parts.items()},
    }


def inference_config(parts: Mapping[str, NetworkConfig]) -> dict[str, Any]:
    """Return a configuration that ``python -m monai.bundle run`` takes, without this program.

    Each network has a `run` of its own: it applies the network to a standardised image (see
    `bgpvs_wf.learning.data.scan`) in a ``.npy`` file and writes its logits. Weights are loaded
    there and not before, since MONAI's `load` knows no root of the bundle. What comes before,
    between and after is `bgpvs_wf.learning.inference.prediction`.
    """
    config: dict[str, Any] = {
        "imports": ["$import numpy", "$import torch"],
        "bundle_root": ".",
        "image": "$@bundle_root + '/image.npy'",
        "output": "$@bundle_root + '/logits.npy'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    }
    for name, network in parts.items():
        made, inferer, weights, run = (
            _prefixed(name, key) for key in ("network_def", "inferer", "weights", "run")
        )
        config |= _network(name, network)
        config[inferer] = _inferer(network)
        on_device = _prefixed(name, "network")
        config[on_device] = f"$@{made}.to(@device)"
        config[run] = [
            f"$@{on_device}.load_state_dict(@{weights})",
            f"$@{on_device}.eval()",
            f"$numpy.save(@output, torch.no_grad()(@{inferer})(torch.from_numpy(numpy.load("
            f"@image))[None].to(@device), @{on_device})[0].cpu().numpy())",
        ]
    return config


def _network(name: str, network: NetworkConfig) -> dict[str, Any]:
    """Return a network made of MONAI's own classes, and its weights."""
    made, weights = (_prefixed(name, key) for key in ("network_def", "weights"))
    file = f"torch.load(@bundle_root + '/models/{name}.pt', map_location='cpu', weights_only=True)"
    if network.tells != PVS:
        unet = {"_target_": "monai.networks.nets.DynUNet", **network_arguments(network)}
        return {made: unet, weights: f"${file}"}
    layers = _prefixed(name, "layers")
    return {
        layers: _residual_layers(network),
        made: f"$torch.nn.Sequential(*@{layers})",
        # The same tensors in the same order, by other names than ours.
        weights: f"$dict(zip(@{made}.state_dict(), {file}.values()))",
    }


def _residual_layers(network: NetworkConfig) -> list[dict[str, Any]]:
    """Return the layers of a network for PVS (`bgpvs_wf.learning.nets.residual`), MONAI's."""
    from bgpvs_wf.learning.nets.residual import LEAK, gap

    count = len(network.filters)
    before = [len(network.inputs), *network.filters]
    blocks: list[dict[str, Any]] = [
        {
            **_convolution(before[number], filters, 3),
            "dilation": gap(number, count),
            "adn_ordering": "A",
            "act": ["leakyrelu", {"negative_slope": LEAK}],
        }
        for number, filters in enumerate(network.filters)
    ]
    added = [
        {"_target_": "monai.networks.layers.SkipConnection", "submodule": block, "mode": "add"}
        for block in blocks[1:]
    ]
    last = _convolution(before[-1], len(CHANNELS[network.tells]), 1) | {"conv_only": True}
    return [blocks[0], *added, last]


def _convolution(before: int, after: int, size: int) -> dict[str, Any]:
    return {
        "_target_": "monai.networks.blocks.Convolution",
        "spatial_dims": 3,
        "in_channels": before,
        "out_channels": after,
        "kernel_size": size,
    }


def _inferer(network: NetworkConfig) -> dict[str, Any]:
    if network.tells == PVS:
        return {"_target_": "monai.inferers.SimpleInferer"}
    return {
        "_target_": "monai.inferers.SlidingWindowInferer",
        "roi_size": list(WINDOWS[network.tells]),
        "sw_batch_size": 1,
        "overlap": OVERLAP,
        "mode": "gaussian",
        "padding_mode": "replicate",
    }


def _prefixed(name: str, key: str) -> str:
    """Return a key of a network: that of the main one is bare, as MONAI expects."""
    return key if name == "model" else f"{name.removeprefix('model_')}_{key}"


def _data(network: NetworkConfig) -> dict[str, Any]:
    own = network.tells == PVS
    shape = ["n"] * 3 if own else list(WINDOWS[network.tells])
    common = {"spatial_shape": shape, "dtype": "float32", "is_patch_data": not own}
    channels = CHANNELS[network.tells]
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": "MR",
        "num_channels": len(network.inputs),
        "value_range": [-CLIP, CLIP],
        "channel_def": _numbered(network.inputs),
        **common,
    }
    logits = {
        "type": "image",
        "format": "segmentation",
        "num_channels": len(channels),
        "value_range": [],
        "channel_def": _numbered(channels),
        **common,
    }
    return {"inputs": {"image": image}, "outputs": {"pred": logits}}


def _numbered(names: Sequence[str]) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names)}
