"""How many PVS voxels can be told from noise by who knows the scan as it is without PVS.

    python benchmarks/ceiling.py [PRESET ...] [--subjects 6]

Each synthetic infant is simulated three times with the same seed: as it is, without noise, and
without noise and PVS. What the first and the second exceed the third by is the signal of PVS, with
and without noise; a threshold on it, the best for each infant, gives the Dice of an observer who
looks at single voxels of the T2w, knows the nuclei and has nothing else to be misled by. The share
of each voxel that PVS fill is what the labels are made from.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
from scipy import ndimage

from bgpvs_wf.learning.training.tasks import dice
from bgpvs_wf.phantom.protocol import ProtocolConfig, load_protocol
from bgpvs_wf.phantom.subject import simulate_subject

SEED = 990100
AGES_WEEKS = (37.0, 44.3, 53.0, 66.0, 92.0, 118.0)
SMOOTHING_VOXELS = (0.3, 0.4, 0.5, 0.7)
SHARES = np.linspace(0.0005, 0.05, 60)
"""Shares of the basal ganglia that are called PVS."""


def main() -> None:
    """Print a line for each protocol."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", default=["dhcp", "bcp", "clinical"])
    parser.add_argument("--subjects", type=int, default=6)
    options = parser.parse_args()
    print(f"{'':>10} share of voxel   without noise   with noise   smoothed   fluid over noise")
    for preset in options.presets:
        rows = [observe(load_protocol(preset), number) for number in range(options.subjects)]
        share, clean, noisy, smooth, contrast = np.mean(rows, axis=0)
        print(
            f"{preset:>10} {share:14.2f} {clean:15.2f} {noisy:12.2f} {smooth:10.2f} "
            f"{contrast:18.1f}",
            flush=True,
        )


def observe(protocol: ProtocolConfig, number: int) -> tuple[float, ...]:
    """Return the Dice by the share of voxels, the clean, the noisy and the smoothed signal.

    The last number is the signal of voxels full of fluid, in standard deviations of the noise.
    """
    still = dataclasses.replace(protocol.t2w, bias=0.0)
    noisy = dataclasses.replace(protocol, t2w=still)
    clean = dataclasses.replace(protocol, t2w=dataclasses.replace(still, snr=np.inf))
    age, seed = AGES_WEEKS[number % len(AGES_WEEKS)], SEED + number
    infant = simulate_subject(age, seed=seed, protocol=noisy)
    without_noise = simulate_subject(age, seed=seed, protocol=clean).t2w
    background = simulate_subject(age, seed=seed, protocol=clean, n_tubes=0).t2w
    bg, pvs = infant.bgpvs > 0, infant.bgpvs == 2
    excess, signal = infant.t2w - background, without_noise - background
    smoothed = [ndimage.gaussian_filter(excess, voxels) for voxels in SMOOTHING_VOXELS]
    return (
        best_dice(infant.occupancy, bg, pvs),
        best_dice(signal, bg, pvs),
        best_dice(excess, bg, pvs),
        max(best_dice(image, bg, pvs) for image in smoothed),
        float(np.median(signal[pvs] / infant.occupancy[pvs]) / (excess - signal)[bg].std()),
    )


def best_dice(image: np.ndarray, bg: np.ndarray, pvs: np.ndarray) -> float:
    """Return the Dice of the best threshold on an image inside the basal ganglia."""
    values, truth = image[bg], pvs[bg]
    return max(dice(values > limit, truth) for limit in np.quantile(values, 1 - SHARES))


if __name__ == "__main__":
    main()
