"""Losses: each voxel counts as much as its label is sure, rare classes as much as common ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgpvs_wf.learning.data.classes import BG_CLASSES, LEFT_NUCLEI, VENTRICLE_CLASS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

AROUND = 0.1
"""Weight, in the loss of PVS, of voxels outside the basal ganglia (chosen)."""
LARGEST_LOG_WEIGHT = 4.0
"""A voxel tells of brightness e^8 times as much as another at most (chosen)."""
_NEVER = -30.0


def class_loss(logits: Tensor, classes: Tensor, confidence: Tensor) -> Tensor:
    """Return cross entropy and soft Dice (means over what is there), weighted by confidence.

    Parameters
    ----------
    logits : Tensor, shape (batch, classes, x, y, z)
    classes : Tensor of int64, shape (batch, x, y, z)
    confidence : Tensor, shape (batch, x, y, z)
        0 (does not count) to 1.

    Returns
    -------
    Tensor, shape ()
    """
    from torch.nn import functional

    entropy = functional.cross_entropy(logits, classes, reduction="none")
    entropy = (entropy * confidence).sum() / confidence.sum().clamp(min=1)
    truth = functional.one_hot(classes, logits.shape[1]).movedim(-1, 1)
    dice = soft_dice(logits.softmax(1)[:, 1:], truth[:, 1:], confidence[:, None])
    return entropy + 1 - dice


def pvs_loss(logits: Tensor, pvs: Tensor, classes: Tensor, confidence: Tensor) -> Tensor:
    """Return binary cross entropy in and around the basal ganglia, less the log of Dice in them.

    PVS are tens of voxels among millions; what is far from the nuclei says little, and outside of
    them nothing is asked for. The smaller the Dice, the steeper its logarithm: beside the classes a
    network would find no PVS for hundreds of steps (after Wong et al., MICCAI 2018,
    doi 10.1007/978-3-030-00931-1_70).

    Parameters
    ----------
    logits, pvs : Tensor, shape (batch, x, y, z)
        Output, and 0 or 1.
    classes : Tensor of int64, shape (batch, x, y, z)
        Of the anatomy.
    confidence : Tensor, shape (batch, x, y, z)
    """
    import torch
    from torch.nn import functional

    inside = torch.isin(classes, torch.tensor(BG_CLASSES, device=classes.device)) | (pvs > 0)
    weight = confidence * torch.where(inside, 1.0, AROUND)
    entropy = functional.binary_cross_entropy_with_logits(logits, pvs, reduction="none")
    entropy = (entropy * weight).sum() / weight.sum().clamp(min=1)
    within = (confidence * inside)[:, None]
    return entropy - soft_dice(logits.sigmoid()[:, None], pvs[:, None], within).log()


def brightness_loss(
    found: Tensor,
    log_brightness: Tensor,
    log_weight: Tensor,
    asked: Tensor,
    brightness: Tensor,
) -> Tensor:
    """Return the squared error of how bright tubes are, of each voxel and of them together.

    Together voxels count as much as they are found to be PVS: of faint tubes the brightest are.

    Parameters
    ----------
    found, log_brightness, log_weight : Tensor, shape (batch, x, y, z)
        Output (the first are logits, and learn nothing from this); see
        `bgpvs_wf.learning.inference.ensemble.FoundPVS`.
    asked : Tensor, shape (batch, x, y, z)
        1 where tubes are whose brightness is to be told.
    brightness : Tensor, shape (batch,)
        Above 0 where there are any.

    Returns
    -------
    Tensor, shape ()
        0 if there is none.
    """
    truth = brightness.clamp(min=1e-3).log()
    error = (log_brightness - truth[:, None, None, None]) ** 2
    each = (error * asked).sum() / asked.sum().clamp(min=1)
    weight = (
        asked
        * found.detach().sigmoid()
        * log_weight.clamp(-LARGEST_LOG_WEIGHT, LARGEST_LOG_WEIGHT).exp()
    )
    axes = (1, 2, 3)
    pooled = (weight * log_brightness).sum(axes) / weight.sum(axes).clamp(min=1e-6)
    there = (asked.sum(axes) > 0).float()
    together = ((pooled - truth) ** 2 * there).sum() / there.sum().clamp(min=1)
    return each + together


def joint_loss(logits: Tensor, classes: Tensor, pvs: Tensor, confidence: Tensor) -> Tensor:
    """Return the cross entropy of nuclei and PVS together, less the mean log of their Dice.

    Parameters
    ----------
    logits : Tensor, shape (batch, classes, x, y, z)
        The last class is PVS.
    classes : Tensor of int64, shape (batch, x, y, z)
    pvs, confidence : Tensor, shape (batch, x, y, z)
    """
    import torch
    from torch.nn import functional

    last = logits.shape[1] - 1
    classes = torch.where(pvs > 0, last, classes)
    entropy = functional.cross_entropy(logits, classes, reduction="none")
    entropy = (entropy * confidence).sum() / confidence.sum().clamp(min=1)
    share, truth = logits.softmax(1), functional.one_hot(classes, last + 1).movedim(-1, 1)
    logs = [
        soft_dice(share[:, one, None], truth[:, one, None], confidence[:, None]).log()
        for one in range(1, last + 1)
        if bool((classes == one).any())
    ]
    return entropy - (torch.stack(logs).mean() if logs else 0 * entropy)


def soft_dice(share: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted soft Dice of a batch, above 0, averaged over the classes that are in it.

    Parameters
    ----------
    share : Tensor, shape (batch, classes, x, y, z)
    truth : Tensor, shape (batch, classes, x, y, z)
    weight : Tensor, shape (batch, 1, x, y, z)
    """
    axes = (0, 2, 3, 4)
    truth = truth * weight
    total = truth.sum(axes)
    # The weight counts once: squared, doubtful voxels would be pushed out of their class.
    overlap = (2 * (share * truth).sum(axes) + 1) / ((share * weight).sum(axes) + total + 1)
    there = total > 0
    return overlap[there].mean() if there.any() else overlap.mean()


def without_ventricles(logits: Tensor, known: torch.Tensor) -> Tensor:
    """Take the class of ventricles out where a case's labels do not know it.

    Parameters
    ----------
    logits : Tensor, shape (batch, classes, x, y, z)
    known : Tensor of bool, shape (batch,)
    """
    masked = logits.clone()
    masked[~known, VENTRICLE_CLASS] = _NEVER
    return masked


def head_loss(logits: Tensor, classes: Tensor, known: torch.Tensor) -> Tensor:
    """Return the loss of the coarse network: cross entropy and Dice of the classes of the head.

    Where a case's labels know no ventricles, the brain is but guessed: all that is no nucleus is
    one class then.

    Parameters
    ----------
    logits : Tensor, shape (batch, classes, x, y, z)
    classes : Tensor of int64, shape (batch, x, y, z)
        Numbers of `bgpvs_wf.learning.data.classes.COARSE_CLASSES`.
    known : Tensor of bool, shape (batch,)
    """
    import torch

    total = logits.new_zeros(())
    for one, truth, whole in zip(logits, classes, known, strict=True):
        if not whole:
            rest = one[:LEFT_NUCLEI].logsumexp(0, keepdim=True)
            one = torch.cat([rest, one[LEFT_NUCLEI:]])
            truth = (truth - LEFT_NUCLEI + 1).clamp(min=0)
        total = total + class_loss(
            one[None], truth[None], torch.ones_like(truth[None], dtype=one.dtype)
        )
    return total / len(logits)
