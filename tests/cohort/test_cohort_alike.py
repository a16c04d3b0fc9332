from __future__ import annotations

from bgpvs_wf.cohort.alike import MODEL, VERSION, what_differs


def test_nothing_is_said_of_what_is_alike_or_not_known():
    made = {VERSION: "1.0", MODEL: "box 12ab", "quantify.min_volume_mm3": 0.0}
    assert what_differs([]) == ()
    assert what_differs([made, {}, dict(made)]) == ()
    # 12 and 12.0 are one number; who has no model says nothing against that of others.
    assert what_differs([{"a": 12, MODEL: "m"}, {"a": 12.0}]) == ()


def test_a_difference_is_told_with_the_odd_ones_first():
    many = [{"quantify.min_volume_mm3": 0.0}] * 58
    assert what_differs([*many, *[{"quantify.min_volume_mm3": 12.0}] * 2]) == (
        "Not all were made alike: quantify.min_volume_mm3 is 12 in 2 and 0 in 58; run all of them "
        "again with one setting.",
    )


def test_true_is_not_one():
    (said,) = what_differs([{"a": True}, {"a": 1}])
    assert "a is 1 in 1 and true in 1" in said


def test_version_and_model_come_first_and_the_rest_is_counted():
    names = ("a", "b", "c", VERSION, MODEL)
    said = what_differs([dict.fromkeys(names, "x"), dict.fromkeys(names, "y")])
    assert said[0] == (
        'Not all were made alike: the version is "x" in 1 and "y" in 1; run all of them again with '
        "one version."
    )
    assert "the model is" in said[1]
    assert "with one model" in said[1]
    assert ": a is" in said[2]
    assert said[3:] == ("And 2 more differ.",)


def test_many_and_long_values_are_cut():
    (said,) = what_differs([{"a": number} for number in range(9)])
    assert "a is 0 in 1, 1 in 1, 2 in 1 and something else in 6;" in said
    (said,) = what_differs([{"a": ["x" * 400]}, {"a": ["y" * 400]}])
    assert len(said) < 250
