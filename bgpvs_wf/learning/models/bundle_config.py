"""What a bundle says of itself in MONAI's words: metadata, and how to run its networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata as packages
from typing import Any

from bgpvs_wf._version import __version__
from bgpvs_wf.learning.data.scan import CLIP
from bgpvs_wf.learning.nets.architectures import (
    CHANNELS,
    PVS,
    NetworkConfig,
    network_arguments,
    network_class,
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
        "required_packages_version": {"bgpvs-wf": __version__},
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
    """Return a configuration that ``python -m monai.bundle run`` takes.

    It applies the main network to a standardised image (see `bgpvs_wf.learning.data.scan`) in a
    ``.npy`` file; what comes before and after is `bgpvs_wf.learning.inference.prediction`.
    """
    config: dict[str, Any] = {
        "imports": ["$import numpy", "$import torch"],
        "bundle_root": ".",
        "image": "$@bundle_root + '/image.npy'",
        "output": "$@bundle_root + '/logits.npy'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
    }
    for name, network in parts.items():
        config[_prefixed(name, "network_def")] = {
            "_target_": network_class(network),
            **network_arguments(network),
        }
        config[_prefixed(name, "inferer")] = _inferer(network)
        config[_prefixed(name, "weights")] = (
            f"$torch.load(@bundle_root + '/models/{name}.pt', map_location='cpu', "
            "weights_only=True)"
        )
    config["network"] = "$@network_def.to(@device)"
    config["initialize"] = [
        "$torch.set_grad_enabled(False)",
        "$@network.load_state_dict(@weights)",
        "$@network.eval()",
    ]
    config["run"] = [
        "$numpy.save(@output, @inferer(torch.from_numpy(numpy.load(@image))[None].to(@device), "
        "@network)[0].cpu().numpy())"
    ]
    return config


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
