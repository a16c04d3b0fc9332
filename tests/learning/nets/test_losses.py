"""Losses against loops over voxels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpvs_wf.learning.data.classes import BG_CLASSES, VENTRICLE_CLASS
from bgpvs_wf.learning.nets.losses import (
    AROUND,
    brightness_loss,
    class_loss,
    head_loss,
    joint_loss,
    pvs_loss,
    soft_dice,
    without_ventricles,
)

SHAPE = (2, 3, 4, 2)
CLASSES = 7


def drawn(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (2, CLASSES, *SHAPE[1:]))
    classes = rng.integers(0, CLASSES, SHAPE)
    pvs = (rng.random(SHAPE) < 0.3).astype(float)
    confidence = rng.choice([0, 0.3, 0.8, 1.0], SHAPE)
    return tuple(torch.from_numpy(a) for a in (logits, classes, pvs, confidence))


def voxels():
    return np.ndindex(*SHAPE)


def naive_dice(share, truth, weight):
    """Dice, voxel by voxel, for one class."""
    both = size = 0.0
    for v in voxels():
        both += weight[v] * share[v] * truth[v]
        size += weight[v] * (share[v] + truth[v])
    return (2 * both + 1) / (size + 1)


@given(seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_the_loss_of_classes(seed):
    logits, classes, _, confidence = drawn(seed)
    z, c, w = (a.numpy() for a in (logits, classes, confidence))
    entropy, weight = 0.0, 0.0
    share = np.zeros(z.shape)
    for b, i, j, k in voxels():
        e = np.exp(z[b, :, i, j, k])
        share[b, :, i, j, k] = e / e.sum()
        entropy -= w[b, i, j, k] * np.log(share[b, c[b, i, j, k], i, j, k])
        weight += w[b, i, j, k]
    overlaps = [
        naive_dice(share[:, n], c == n, w) for n in range(1, CLASSES) if ((c == n) & (w > 0)).any()
    ]
    expected = entropy / max(weight, 1) + 1 - np.mean(overlaps)
    assert class_loss(logits, classes, confidence).item() == pytest.approx(expected, rel=1e-6)


@given(seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_the_loss_of_pvs(seed):
    logits, classes, pvs, confidence = drawn(seed)
    z, c, p, w = (a.numpy() for a in (logits[:, 0], classes, pvs, confidence))
    share = 1 / (1 + np.exp(-z))
    entropy = weight = 0.0
    inside = np.zeros(SHAPE)
    for v in voxels():
        inside[v] = c[v] in BG_CLASSES or p[v] > 0
        u = w[v] * (1 if inside[v] else AROUND)
        entropy -= u * np.log(share[v] if p[v] else 1 - share[v])
        weight += u
    expected = entropy / max(weight, 1) - np.log(naive_dice(share, p, w * inside))
    got = pvs_loss(logits[:, 0], pvs, classes, confidence).item()
    assert got == pytest.approx(expected, rel=1e-6)


def test_dice_of_what_is_not_there():
    share = torch.full((1, 2, 2, 2, 2), 0.5)
    truth = torch.zeros(share.shape)
    weight = torch.ones((1, 1, 2, 2, 2))
    # Nothing to find: the less is found, the better.
    nothing = soft_dice(share * 0, truth, weight)
    assert nothing.item() == pytest.approx(1)
    assert soft_dice(share, truth, weight) < nothing
    # Of two classes the one that is there counts.
    truth[:, 0] = 1
    share = truth.clone()
    share[:, 1] = 0.5
    assert soft_dice(share, truth, weight).item() == pytest.approx(1)


@given(seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_voxels_without_confidence_do_not_matter(seed):
    logits, classes, pvs, confidence = drawn(seed)
    others, other_classes, other_pvs, _ = drawn(seed + 5000)
    unsure = confidence == 0
    changed = torch.where(unsure[:, None], others, logits)
    changed_classes = torch.where(unsure, other_classes, classes)
    changed_pvs = torch.where(unsure, other_pvs, pvs)
    torch.testing.assert_close(
        class_loss(changed, changed_classes, confidence), class_loss(logits, classes, confidence)
    )
    torch.testing.assert_close(
        pvs_loss(changed[:, 0], changed_pvs, changed_classes, confidence),
        pvs_loss(logits[:, 0], pvs, classes, confidence),
    )


@pytest.mark.parametrize("sure", [1.0, 0.3])
def test_what_is_right_costs_nothing(sure):
    """However sure the labels are: doubt must not turn into a loss that stays."""
    _, classes, pvs, _ = drawn(1)
    logits = 40.0 * torch.nn.functional.one_hot(classes, CLASSES).movedim(-1, 1) - 20
    confidence = torch.full(SHAPE, sure)
    assert class_loss(logits, classes, confidence).item() < 1e-4
    assert pvs_loss(40 * pvs - 20, pvs, classes, confidence).item() < 1e-4
    assert class_loss(-logits, classes, confidence).item() > 1
    assert pvs_loss(20 - 40 * pvs, pvs, classes, confidence).item() > 1


def test_doubtful_pvs_are_still_drawn_towards_pvs():
    """The gradient at a voxel points to its label, whatever the others' confidence."""
    pvs = torch.ones((1, 1, 4, 4, 4))
    weight = torch.ones((1, 1, 4, 4, 4))
    weight[..., 0] = 0.1
    share = torch.full(pvs.shape, 0.95, requires_grad=True)
    soft_dice(share, pvs, weight).backward()
    assert (share.grad > 0).all()


def test_ventricles_are_not_asked_for_where_they_are_not_known():
    logits, classes, _, confidence = drawn(2)
    classes[1][classes[1] == VENTRICLE_CLASS] = 0
    logits.requires_grad_()
    masked = without_ventricles(logits, torch.tensor([True, False]))
    assert torch.equal(masked[0], logits[0])
    shares = masked.softmax(1)
    assert (shares[1, VENTRICLE_CLASS] < 1e-9).all()
    np.testing.assert_allclose(
        shares[1, :VENTRICLE_CLASS].detach(),
        logits[1, :VENTRICLE_CLASS].softmax(0).detach(),
        rtol=1e-6,
    )
    class_loss(masked, classes, confidence).backward()
    assert not logits.grad[1, VENTRICLE_CLASS].any()
    assert logits.grad[0, VENTRICLE_CLASS].any()
    assert torch.isfinite(logits.grad).all()


def test_all_but_nuclei_is_one_class_where_ventricles_are_not_known():
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn((2, 5, 4, 5, 6), generator=generator)
    classes = torch.randint(0, 5, (2, 4, 5, 6), generator=generator)
    sure = torch.ones((1, 4, 5, 6))
    known = head_loss(logits, classes, torch.tensor([True, True]))
    apart = [class_loss(logits[i : i + 1], classes[i : i + 1], sure) for i in (0, 1)]
    torch.testing.assert_close(known, sum(apart) / 2)
    mixed = head_loss(logits, classes, torch.tensor([True, False]))
    shares = logits[1].softmax(0)
    merged = torch.stack([shares[:3].sum(0), shares[3], shares[4]]).log()[None]
    other = torch.tensor([0, 0, 0, 1, 2])[classes[1:]]
    torch.testing.assert_close(mixed, (apart[0] + class_loss(merged, other, sure)) / 2)
    # What the rest is made of changes nothing.
    others = classes.clone()
    others[1][classes[1] < 3] = 0
    torch.testing.assert_close(head_loss(logits, others, torch.tensor([True, False])), mixed)


@pytest.mark.parametrize("confidence", [0.0, 1.0])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_gradients_are_finite(scale, confidence):
    logits, classes, pvs, _ = drawn(3)
    logits = (logits.float() * scale).requires_grad_()
    sure = torch.full(SHAPE, confidence)
    loss = class_loss(logits, classes, sure)
    loss = loss + pvs_loss(logits[:, 0], pvs.float(), classes, sure)
    loss = loss + pvs_loss(logits[:, 1], torch.zeros(SHAPE), classes * 0, sure)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@given(seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_the_loss_of_both_together(seed):
    logits, classes, pvs, confidence = drawn(seed)
    last = CLASSES - 1
    classes = classes % last
    merged = torch.where(pvs > 0, last, classes)
    share, w = logits.softmax(1).numpy(), confidence.numpy()
    overlaps = [
        naive_dice(share[:, n], (merged == n).numpy(), w)
        for n in range(1, CLASSES)
        if bool((merged == n).any())
    ]
    logs = np.log(overlaps).mean() if overlaps else 0.0
    picked = np.take_along_axis(share, merged.numpy()[:, None], 1)[:, 0]
    entropy = -(w * np.log(picked)).sum() / max(w.sum(), 1)
    found = float(joint_loss(logits, classes, pvs, confidence))
    assert found == pytest.approx(entropy - logs)


@given(seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_the_loss_of_brightness(seed):
    """Against loops: the mean square of all voxels, and of the weighted mean of each patch."""
    rng = np.random.default_rng(seed)
    told, weight = rng.normal(-0.6, 0.3, SHAPE), rng.normal(0, 3, SHAPE)
    found = rng.normal(0, 2, SHAPE)
    painted = (rng.random(SHAPE) < 0.3).astype(float)
    painted[0] *= seed % 2  # of some patches nothing is known
    truth = rng.uniform(0.2, 1, SHAPE[0])
    each, together = [], []
    for b in range(SHAPE[0]):
        here = [(told[v], weight[v], found[v]) for v in voxels() if v[0] == b and painted[v]]
        each += [(one - np.log(truth[b])) ** 2 for one, *_ in here]
        if here:
            weights = [np.exp(min(max(w, -4), 4)) / (1 + np.exp(-f)) for _, w, f in here]
            pooled = np.average([one for one, *_ in here], weights=weights)
            together.append((pooled - np.log(truth[b])) ** 2)
    expected = np.mean(each) + np.mean(together) if each else 0
    tensors = [torch.from_numpy(a) for a in (found, told, weight, painted, truth)]
    assert brightness_loss(*tensors).item() == pytest.approx(expected, rel=1e-6)
