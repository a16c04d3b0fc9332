"""A toy head, and networks that tell its tissues by their brightness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.imaging.geometry import resample
from bgpvs_wf.learning.data.classes import COARSE_CLASSES, FINE_CLASSES
from bgpvs_wf.learning.data.pvs_input import pvs_input
from bgpvs_wf.learning.data.scan import Scan
from bgpvs_wf.learning.models.bundle import Model, write_bundle
from bgpvs_wf.learning.nets.architectures import (
    ANATOMY,
    CHANNELS,
    COARSE,
    HEAD,
    JOINT,
    MASK,
    PVS,
    NetworkConfig,
    build_network,
)
from bgpvs_wf.learning.nets.sliding_window import WINDOWS

if TYPE_CHECKING:
    from torch import nn

FILTERS = (4, 8, 8)
FIELD_MM = (40.0, 32.0, 28.0)
_BRAIN, _NUCLEUS, _TUBE, _FLUID = 20.0, 60.0, 130.0, 160.0
_SIDES = {-1: 30.0, 1: 60.0}
"""T1w signal of the left and the right half: that is how the toy's coarse network tells sides."""
_OFFSET = 4.0  # keeps what goes through the network where it is linear
_STEEP = 5.0
_OF_SHARE = 60.0


@dataclass(frozen=True)
class Toy:
    """A head with a putamen on each side, a ventricle between, and a tube in each putamen."""

    t2w: np.ndarray
    t1w: np.ndarray
    affine: np.ndarray
    dseg: np.ndarray
    tubes: np.ndarray

    @property
    def bgpvs(self) -> np.ndarray:
        return (np.isin(self.dseg, (12, 51)).astype(np.uint8) + self.tubes).astype(np.uint8)


def toy_head(voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Toy:
    """Paint a head in a field of 40 x 32 x 28 mm; axes are right, anterior, superior."""
    size = np.array(FIELD_MM)
    shape = np.round(size / voxel_mm).astype(int)
    affine = np.diag([*voxel_mm, 1.0])
    affine[:3, 3] = -size / 2 + np.array(voxel_mm) / 2
    axes = (np.arange(n) * v + o for n, v, o in zip(shape, voxel_mm, affine[:3, 3], strict=True))
    x, y, z = np.meshgrid(*axes, indexing="ij")

    def ball(centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
        parts = ((a - c) / r for a, c, r in zip((x, y, z), centre, radii, strict=True))
        return np.asarray(sum(part**2 for part in parts) <= 1)

    head = ball((0, 0, 0), (18, 14, 12))
    t2w = np.where(head, _BRAIN, 0.0)
    t1w = np.where(head, np.where(x > 0, _SIDES[1], _SIDES[-1]), 0.0)
    dseg = np.zeros(head.shape, np.int16)
    tubes = np.zeros(head.shape, bool)
    for side, label in ((-1, 12), (1, 51)):
        mask = ball((10 * side, 0, 0), (4, 8, 6))
        t2w[mask], dseg[mask] = _NUCLEUS, label
        tubes |= (np.abs(x - 10 * side) < 0.6) & (np.abs(y - side) < 0.6) & (np.abs(z) < 4)
    ventricle = ball((0, 3, 3), (2.5, 5, 4))
    t2w[ventricle], dseg[ventricle] = _FLUID, 213
    t2w[tubes] = _TUBE
    return Toy(t2w.astype(np.float32), t1w.astype(np.float32), affine, dseg, tubes)


def toy_model(folder: Path, members: int = 1, joint: bool = False, **changes: Any) -> Model:
    """Write a model that knows the toy head."""
    toy = toy_head()
    scan = Scan.from_arrays(toy.t2w, toy.t1w, toy.affine)
    head, grid = scan.coarse()
    labels = resample(toy.dseg, toy.affine, grid, 0)
    coarse_names = ("left nuclei", "right nuclei", "ventricle", "brain")
    coarse = np.select(
        [labels == 12, labels == 51, labels == 213, resample(toy.t2w, toy.affine, grid) > 5],
        [COARSE_CLASSES.index(name) for name in coarse_names],
    )
    box = scan.box_around(np.isin(labels, (12, 51)), grid)
    images = scan.boxed(box).own  # the toy's voxels are those of the fine grid
    dseg, tubes = toy.dseg[box], toy.tubes[box]
    fine_names = ("ventricle", "putamen")
    fine = np.select([dseg == 213, dseg > 0], [FINE_CLASSES.index(name) for name in fine_names])

    def trained(tells: str, seen: np.ndarray, truth: np.ndarray) -> Any:
        config = NetworkConfig(tells=tells, filters=filters_of(tells))
        if tells == JOINT:
            truth = np.where(tubes, len(FINE_CLASSES), truth)
        if tells == PVS:
            bg = (truth == 2) | tubes
            seen = pvs_input(seen, bg, (1.0, 1.0, 1.0))
        return config, brightness_network(config, seen, truth, tubes).state_dict()

    told = (JOINT,) if joint else (ANATOMY, PVS)
    settings: dict[str, Any] = {
        "name": "toy",
        "strategy": "manual",
        "coarse": trained(COARSE, head, coarse),
        "fine": [[trained(t, images, fine) for t in told] for _ in range(members)],
        "pvs_threshold": 0.5,
        "card": "# A toy",
        "facts": {"version": "0.0.1"},
        "caution": "It knows toys only.",
    }
    return write_bundle(folder, **{**settings, **changes})


def filters_of(tells: str) -> tuple[int, ...]:
    """Return those of a tiny network."""
    return (4, 4) if tells == PVS else FILTERS


def random_network(tells: str, seed: int = 0) -> Any:
    """Return a tiny network with random weights, as `write_bundle` takes it."""
    import torch

    torch.manual_seed(seed)
    config = NetworkConfig(tells=tells, filters=filters_of(tells))
    return config, build_network(config).state_dict()


def head_networks(seed: int = 0) -> Any:
    """Return tiny networks for whole heads with random weights, as `write_bundle` takes them."""
    return random_network(HEAD, seed), random_network(MASK, seed)


def random_model(folder: Path, **changes: Any) -> Model:
    """Write a model of tiny networks with random weights."""
    settings: dict[str, Any] = {
        "name": "random",
        "strategy": "manual",
        "coarse": random_network(COARSE),
        "fine": [[random_network(ANATOMY), random_network(PVS)]],
        "pvs_threshold": 0.5,
        "card": "# Random",
        "facts": {},
    }
    return write_bundle(folder, **{**settings, **changes})


def brightness_network(
    config: NetworkConfig, images: np.ndarray, classes: np.ndarray, tubes: np.ndarray
) -> nn.Module:
    """Return a network that gives each voxel the class whose mean brightness is nearest."""
    import torch

    network = build_network(config)
    if config.tells == PVS:
        bg = config.inputs.index("basal ganglia")
        return _tell_bright(network, images[0], tubes, bg)
    for name, value in network.state_dict().items():
        value.fill_(1.0 if name.endswith("weight") and "norm" in name else 0.0)
        if "norm" in name and name.endswith("bias"):
            value.fill_(_OFFSET)
    # The images pass by the upper level, voxel by voxel.
    up = network.upsamples[-1].conv_block
    blocks = (network.input_block.conv1, network.input_block.conv2, up.conv1, up.conv2)
    with torch.no_grad():
        for block in blocks:
            first = FILTERS[0] if block is up.conv1 else 0  # behind what comes from below
            for channel in (0, 1):
                block.conv.weight[channel, first + channel, 1, 1, 1] = 1
        weight, bias = _nearest_mean(config, images, classes)
        network.output_block.conv.conv.weight[:, :2, 0, 0, 0] = torch.from_numpy(weight)
        network.output_block.conv.conv.bias[:] = torch.from_numpy(bias)
    return network


def _tell_bright(network: nn.Module, image: np.ndarray, tubes: np.ndarray, bg: int) -> nn.Module:
    """Let a network on the own grid tell voxels as bright as tubes, well inside the nuclei."""
    import torch

    middle = float(image[tubes].min()) * 0.75
    with torch.no_grad():
        for value in network.parameters():
            value.zero_()
        for out, channel in ((0, 0), (1, bg)):
            network.layers[0].weight[out, channel, 1, 1, 1] = 1
        network.output.weight[0, 0] = _STEEP
        network.output.weight[0, 1] = _OF_SHARE
        network.output.bias[0] = -_STEEP * middle - 0.95 * _OF_SHARE
    return network


def _nearest_mean(
    config: NetworkConfig, images: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return weight and bias of the last layer."""
    missing = np.maximum(np.array(WINDOWS[config.tells]) - images.shape[1:], 0)
    padded = np.pad(images, [(0, 0), *((m // 2, m - m // 2) for m in missing)], mode="edge")
    mean, std = (of(padded, axis=(1, 2, 3), keepdims=True) for of in (np.mean, np.std))
    seen = (images - mean) / np.maximum(std, 1e-5)
    rows = []
    for number in range(len(CHANNELS[config.tells])):
        inside = classes == number
        if not inside.any():
            rows.append((0.0, 0.0, -1000.0))
            continue
        c = np.array([channel[inside].mean() for channel in seen])
        c *= (1, 1) if config.tells == COARSE else (1, 0)
        rows.append((*(_STEEP * c), -_STEEP * ((c**2).sum() / 2 + _OFFSET * c.sum())))
    table = np.array(rows, np.float32)
    return table[:, :2], table[:, 2]
