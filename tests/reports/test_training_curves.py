from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from bgpvs_wf.reports.training_curves import SCORES, training_curves

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    """What a reader reads; that it parses shows that it is XML by itself."""
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def training(scores: list[dict[str, float]] | None = None) -> dict[str, object]:
    return {"losses": [[10, 2.0], [20, 1.0], [25, 0.5]], "scores": scores or []}


def test_each_training_has_its_curves():
    scores = [{"step": 10, "bg_dice": 0.5, "pvs_dice": 0.1}, {"step": 25, "bg_dice": 0.9}]
    given = {"coarse": training(), "anatomy": training(scores), "<b>&": training()}
    seen = texts(training_curves(given))
    for name in given:
        assert f"{name}, loss" in seen
    for score in ("bg_dice", "pvs_dice"):
        assert f"anatomy, {SCORES[score]}" in seen
    assert not any("coarse, " in text and "Dice" in text for text in seen)
    assert {"Training", "Step", "Loss", "Dice on cases held out"} <= set(seen)
    assert training_curves(given) == training_curves(given)


def test_many_trainings():
    names = [f"anatomy_member{i}" for i in range(12)]
    seen = texts(training_curves({name: training([{"step": 25, "pvs_dice": 1}]) for name in names}))
    assert all(f"{name}, loss" in seen for name in names)


@pytest.mark.parametrize("given", [{}, {"coarse": {"losses": [], "scores": []}}])
def test_nothing_was_trained(given):
    assert "Nothing was trained." in texts(training_curves(given))


def test_a_training_that_ended_at_once_does_not_hide_the_others():
    given = {"coarse": {"losses": [], "scores": []}, "anatomy": training()}
    seen = texts(training_curves(given))
    assert "anatomy, loss" in seen
    assert "coarse, loss" not in seen
