"""The U-Net and its windows: what MONAI's give."""

from __future__ import annotations

import pytest
import torch

from bgpvs_wf.learning.nets.architectures import (
    ANATOMY,
    COARSE,
    JOINT,
    NetworkConfig,
    build_network,
    network_arguments,
)
from bgpvs_wf.learning.nets.sliding_window import OVERLAP, slide


@pytest.mark.parametrize("tells", [COARSE, ANATOMY, JOINT])
@pytest.mark.parametrize("filters", [(4, 8, 12), (8, 16, 24, 32)])
def test_it_is_the_network_of_monai(tells, filters):
    from monai.networks.nets import DynUNet

    torch.manual_seed(3)
    config = NetworkConfig(tells=tells, filters=filters)
    ours, theirs = build_network(config), DynUNet(**network_arguments(config))
    weights = {name: torch.randn_like(value) for name, value in ours.state_dict().items()}
    assert list(weights) == list(theirs.state_dict())
    ours.load_state_dict(weights)
    theirs.load_state_dict(ours.state_dict())
    image = torch.randn(2, len(config.inputs), 16, 24, 8)
    for training in (True, False):
        found, expected = ours.train(training)(image), theirs.train(training)(image)
        torch.testing.assert_close(found, expected)


def test_it_starts_to_learn_from_weights_like_those_of_monai():
    from monai.networks.nets import DynUNet

    config = NetworkConfig(tells=COARSE, filters=(16, 32, 64))
    torch.manual_seed(3)
    ours, theirs = build_network(config), DynUNet(**network_arguments(config))
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert one.shape == other.shape
        assert float(one.detach().mean()) == pytest.approx(float(other.detach().mean()), abs=0.05)
        if one.numel() > 1:
            spread = float(other.detach().std())
            assert float(one.detach().std()) == pytest.approx(spread, rel=0.3), name


@pytest.mark.parametrize("shape", [(8, 12, 8), (8, 5, 8), (19, 12, 9), (3, 30, 22), (16, 24, 16)])
def test_windows_are_those_of_monai(shape):
    from monai.inferers import sliding_window_inference

    torch.manual_seed(4)
    layer = torch.nn.Conv3d(2, 3, 3, padding=1)
    image, window = torch.randn(1, 2, *shape), (8, 12, 8)
    with torch.inference_mode():
        found = slide(image, window, layer)
        expected = sliding_window_inference(
            image, window, 1, layer, overlap=OVERLAP, mode="gaussian", padding_mode="replicate"
        )
    assert found.shape == (1, 3, *shape)
    torch.testing.assert_close(found, expected)
