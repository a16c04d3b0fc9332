"""Results that cannot be are refused, those that hardly can be are doubted, right ones pass."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import ndimage

from bgpvs_wf.anatomy.labels import BG_LABELS, MIRROR, NUCLEI
from bgpvs_wf.errors import NotCredibleError
from bgpvs_wf.phantom.protocol import plain
from bgpvs_wf.phantom.subject import simulate_subject
from bgpvs_wf.quantification.bounds import Bound, Result, credible_table
from bgpvs_wf.quantification.credible import ADVICE, judge, require_credible

SURE = {
    "sides_against_header": False,
    "nuclei_sureness": 0.97,
    "nuclei_outside_of_hull": 0.04,
    "bg_mean_probability": 0.96,
    "head_sureness": 0.94,
    "hulls_apart_mm": 2.0,
    "hulls_volume_ratio": 1.1,
    "bg_share_of_brain": 0.015,
}


@pytest.fixture(scope="module", params=[32.0, 66.1, 144.4])
def right(request):
    """Return a phantom's truth as if a model had found it."""
    made = simulate_subject(request.param, seed=3, protocol=plain(1.5, snr=50), n_tubes=0)
    return Result(
        anatomy=made.dseg,
        bgpvs=np.isin(made.dseg, BG_LABELS).astype(np.uint8),
        affine=made.affine,
        images={"T2w": made.t2w, "T1w": made.t1w},
        age_weeks=request.param,
        record=SURE,
    )


@pytest.fixture(scope="module")
def newborn():
    """Return the newborn that is damaged."""
    made = simulate_subject(40.0, seed=4, protocol=plain(1.5, snr=50), n_tubes=0)
    return Result(
        anatomy=made.dseg,
        bgpvs=np.isin(made.dseg, BG_LABELS).astype(np.uint8),
        affine=made.affine,
        images={"T2w": made.t2w, "T1w": made.t1w},
        age_weeks=40.0,
        record=SURE,
    )


def test_a_right_result_passes(right):
    """Nothing is said of right results: both images, either, the age not known."""
    assert judge(right) == ()
    assert judge(dataclasses.replace(right, age_weeks=None)) == ()
    assert judge(dataclasses.replace(right, record=None, given=True)) == ()
    for name, image in right.images.items():
        assert judge(dataclasses.replace(right, images={name: image})) == ()


@pytest.mark.parametrize("weeks", [26.0, 196.5, 300.0])
def test_an_age_that_the_program_is_not_made_for_is_doubted(newborn, weeks):
    told = [one for one in judge(dataclasses.replace(newborn, age_weeks=weeks)) if not one.failure]
    about = [one.sentence for one in told if "check the age and its unit" in one.sentence]
    assert about == [
        f"{weeks:.0f} post-menstrual weeks is no age that the program is made for (28 to 160 "
        "weeks); check the age and its unit."
    ]


def test_a_turned_header_that_was_noticed_is_no_failure(newborn):
    """Sides that follow the anatomy, against a header that is wrong, are right."""
    turned = labels(newborn, exchanged, record={**SURE, "sides_against_header": True})
    assert judge(turned) == ()


def labels(result, change, **more):
    """Return a result with other labels."""
    new = change(result.anatomy.copy())
    bgpvs = np.isin(new, BG_LABELS).astype(np.uint8)
    return dataclasses.replace(result, anatomy=new, bgpvs=bgpvs, **more)


def painted(result, where, value):
    """Return a result with voxels of all images painted: one value for each image."""
    images = {}
    for name, image in result.images.items():
        images[name] = np.where(where(result.anatomy), value(name, image), image)
    return dataclasses.replace(result, images=images)


def put(label, which):
    """Return a change of labels."""

    def change(dseg):
        dseg[which(dseg)] = label
        return dseg

    return change


def grown(label, times):
    """Return a change that grows a label over what is around it."""

    def change(dseg):
        mask = dseg == label
        wanted = times * mask.sum()
        while mask.sum() < wanted:
            mask = ndimage.binary_dilation(mask)
        dseg[mask] = label
        return dseg

    return change


def moved(*by):
    """Return a change that moves all nuclei, by voxels."""

    def change(dseg):
        new = np.roll(np.where(np.isin(dseg, list(NUCLEI)), dseg, 0), by, (0, 1, 2))
        return np.where(new > 0, new, np.where(np.isin(dseg, list(NUCLEI)), 2, dseg))

    return change


def exchanged(dseg):
    """Exchange left and right."""
    new = dseg.copy()
    for label, other in MIRROR.items():
        new[dseg == label] = other
    return new


def scattered(dseg):
    """Leave every third voxel of the putamina only, far from each other."""
    keep = np.zeros(dseg.shape, bool)
    keep[::3, ::3, ::3] = True
    dseg[np.isin(dseg, (12, 51)) & ~keep] = 2
    return dseg


def eroded(times):
    """Return a change that leaves the innermost voxels of all nuclei."""

    def change(dseg):
        nuclei = np.isin(dseg, list(NUCLEI))
        dseg[nuclei & ~ndimage.binary_erosion(nuclei, iterations=times)] = 2
        return dseg

    return change


def scaled(result, factor):
    """Return a result whose voxels have another size."""
    return dataclasses.replace(result, affine=result.affine @ np.diag([factor] * 3 + [1]))


def with_record(result, **changes):
    """Return a result of which the networks say something else."""
    return dataclasses.replace(result, record={**SURE, **changes})


def noise(result, share):
    """Return a result in noise."""
    rng = np.random.default_rng(0)
    images = {
        n: np.abs(i + rng.normal(0, share * i.max(), i.shape)) for n, i in result.images.items()
    }
    return dataclasses.replace(result, images=images)


def left_bg(dseg):
    """Return the voxels of the left basal ganglia."""
    return np.isin(dseg, (11, 12, 13, 26))


DAMAGE = {
    "voxels half the size": (lambda r: scaled(r, 0.5), "The basal ganglia have ", True),
    "voxels 1.6 times the size": (lambda r: scaled(r, 1.6), "The basal ganglia have ", True),
    "voxels 1.35 times the size": (lambda r: scaled(r, 1.35), "The basal ganglia have ", False),
    "an age of 24 months": (
        lambda r: dataclasses.replace(scaled(r, 0.75), age_weeks=144.4),
        "The basal ganglia have ",
        True,
    ),
    "hardly any nuclei": (lambda r: labels(r, eroded(3)), "The basal ganglia have ", True),
    "no left pallidum": (
        lambda r: labels(r, put(2, lambda d: d == 13)),
        "No left pallidum is found.",
        False,
    ),
    "no left pallidum, unsure": (
        lambda r: with_record(labels(r, put(2, lambda d: d == 13)), nuclei_sureness=0.85),
        "No left pallidum is found.",
        True,
    ),
    "no caudates": (
        lambda r: labels(r, put(2, lambda d: np.isin(d, (11, 50)))),
        "No caudate is found on either side.",
        False,
    ),
    "right thalamus ten times the left": (
        lambda r: labels(r, grown(49, 10)),
        "Nuclei have volumes that are not credible at 40 weeks: ",
        False,
    ),
    "right caudate three times the left": (
        lambda r: labels(r, grown(50, 3)),
        "Left and right differ more than is credible: ",
        False,
    ),
    "putamina in crumbs": (
        lambda r: labels(r, scattered),
        "Nuclei do not have a nucleus' shape: left putamen (in pieces)",
        False,
    ),
    "sides exchanged": (
        lambda r: labels(r, exchanged),
        "The left nuclei lie to the right of the right ones.",
        True,
    ),
    "sides exchanged, in a header said to be turned": (
        lambda r: with_record(r, sides_against_header=True),
        "The left nuclei lie to the right of the right ones.",
        True,
    ),
    "sides exchanged by a registration, which says so": (
        lambda r: dataclasses.replace(labels(r, exchanged), record=None),
        "The left nuclei lie to the right of the right ones.",
        False,
    ),
    "blurred": (
        lambda r: dataclasses.replace(
            r, images={n: ndimage.gaussian_filter(i, 3) for n, i in r.images.items()}
        ),
        "The T2w is blurred",
        False,
    ),
    "nuclei 30 mm too high": (
        lambda r: labels(r, moved(0, 0, 20)),
        "The nuclei lie ",
        False,
    ),
    "one side 15 mm ahead": (
        lambda r: labels(
            r,
            lambda d: np.where(
                np.isin(moved(0, 10, 0)(d.copy()), (10, 11, 12, 13, 26)),
                moved(0, 10, 0)(d.copy()),
                np.where(np.isin(d, (10, 11, 12, 13, 26)), 2, d),
            ),
        ),
        "The basal ganglia of one side are no mirror image",
        False,
    ),
    "coarse network unsure": (
        lambda r: with_record(r, nuclei_sureness=0.85),
        "The model is not sure of where the nuclei are",
        False,
    ),
    "seen elsewhere in the whole head": (
        lambda r: with_record(r, hulls_apart_mm=40.0),
        "Seen in the whole head, the nuclei are 40 mm from where they were found.",
        False,
    ),
    "seen without being sure in the whole head": (
        lambda r: with_record(r, head_sureness=0.7),
        "Seen in the whole head, the nuclei are not sure (probability 0.70).",
        False,
    ),
    "much smaller than seen in the whole head": (
        lambda r: with_record(r, hulls_volume_ratio=0.3),
        "The nuclei found have 0.3 times the volume that is seen in the whole head.",
        False,
    ),
    "too much of the brain": (
        lambda r: with_record(r, bg_share_of_brain=0.06),
        "The basal ganglia have 6.0 % of the volume of the brain.",
        False,
    ),
    "slices of twelve millimetres": (
        lambda r: dataclasses.replace(
            r,
            images={
                n: np.repeat(i[..., ::8], 8, 2)[..., : i.shape[2]] for n, i in r.images.items()
            },
        ),
        "Slices of the T2w are repeated: its resolution is 11 mm, ",
        False,
    ),
    "networks disagree": (
        lambda r: with_record(r, nuclei_outside_of_hull=0.4),
        "The model's two networks disagree on where 40 % of the nuclei are.",
        False,
    ),
    "networks have nothing in common": (
        lambda r: with_record(r, nuclei_outside_of_hull=0.9),
        "The model's two networks disagree on where 90 % of the nuclei are.",
        True,
    ),
    "fine network unsure": (
        lambda r: with_record(r, bg_mean_probability=0.7),
        "The model is not sure of what is basal ganglia",
        False,
    ),
    "nothing but noise": (
        lambda r: noise(r, 1.0),
        "Neighbouring slices of the T2w hardly resemble each other",
        False,
    ),
    "one signal in all nuclei": (
        lambda r: painted(r, lambda d: np.isin(d, list(NUCLEI)), lambda n, i: i.max() / 2),
        "Caudate, putamen and pallidum do not differ in their signal.",
        False,
    ),
    "left basal ganglia painted as white matter": (
        lambda r: painted(r, left_bg, lambda n, i: np.median(i[np.isin(r.anatomy, (2, 41))])),
        "On the T2w nuclei stand out from what is around them on one side otherwise",
        False,
    ),
    "T2w that is a T1w": (
        lambda r: dataclasses.replace(r, images={"T2w": r.images["T1w"]}),
        "On the T2w the ventricles are not brighter than the basal ganglia.",
        False,
    ),
    "T1w that is a T2w": (
        lambda r: dataclasses.replace(r, images={"T1w": r.images["T2w"]}),
        "On the T1w the ventricles are not darker than the basal ganglia.",
        False,
    ),
    "a third is PVS": (
        lambda r: dataclasses.replace(
            r, bgpvs=r.bgpvs * np.where(np.arange(r.bgpvs.shape[2]) % 3, 1, 2)
        ),
        "Perivascular spaces take ",
        False,
    ),
    "all is PVS": (
        lambda r: dataclasses.replace(r, bgpvs=2 * r.bgpvs),
        "Perivascular spaces take 100 % of the basal ganglia",
        True,
    ),
    "labels outside of the head": (
        lambda r: dataclasses.replace(
            r,
            images={
                n: np.where(np.isin(r.anatomy, list(NUCLEI)), 0, i) * (np.arange(i.shape[2]) < 10)
                for n, i in r.images.items()
            },
        ),
        "100 % of the nuclei lie outside of the head.",
        True,
    ),
}


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_what_is_not_credible_is_said(newborn, damage):
    """Each damage is named; what is absurd fails, and only that."""
    change, sentence, failure = DAMAGE[damage]
    findings = judge(change(newborn))
    told = [finding for finding in findings if finding.sentence.startswith(sentence)]
    assert told, findings
    assert told[0].failure is failure
    if not failure:
        assert not any(finding.failure for finding in findings)


@pytest.mark.parametrize("damage", [name for name, (_, _, fails) in DAMAGE.items() if fails])
def test_labels_of_people_are_doubted_at_most(newborn, damage):
    """Who draws labels has the last word."""
    findings = judge(dataclasses.replace(DAMAGE[damage][0](newborn), given=True))
    assert findings
    assert not any(finding.failure for finding in findings)


def test_sentences_have_numbers_and_advice(newborn):
    """The range is that of the age; of an unknown one, of all ages."""
    small = scaled(newborn, 0.7)
    doubts = require_credible(judge(small), source="x")
    volume = np.isin(small.anatomy, BG_LABELS).sum() * abs(np.linalg.det(small.affine[:3, :3]))
    assert doubts[0].startswith(
        f"The basal ganglia have {volume:.0f} mm3, where 3800 to 15000 are credible at 40 weeks."
    )
    assert doubts[-1].endswith(ADVICE)
    assert sum(ADVICE in doubt for doubt in doubts) == 1
    nowhere = dataclasses.replace(scaled(newborn, 0.3), age_weeks=None)
    with pytest.raises(
        NotCredibleError, match=r"^/a/scan\.nii gave a result that cannot be\. "
    ) as e:
        require_credible(judge(nowhere), source="/a/scan.nii")
    assert "1800 to 36000 are credible at any age from 30 weeks to 24 months." in str(e.value)
    assert "\n" not in str(e.value)


def test_nothing_at_all_is_refused(newborn):
    """Empty labels make no error of numpy."""
    empty = labels(newborn, np.zeros_like)
    assert judge(empty)[0].failure


def test_lentiform_sources_are_judged(newborn):
    """Labels that do not divide the lentiform nucleus are no labels without putamen."""

    def lentiform(dseg):
        dseg[np.isin(dseg, (12, 13))] = 9012
        dseg[np.isin(dseg, (51, 52))] = 9051
        dseg[np.isin(dseg, (26, 58))] = 2
        return dseg

    assert judge(labels(newborn, lentiform, given=True, record=None)) == ()


def test_every_bound_has_a_source():
    """Bounds are in order, and say where they come from; volumes grow and are those of newborns."""
    table = credible_table()
    for name, bound in table.bounds.items():
        assert bound.source, name
        assert bound.fail_below <= bound.doubt_below < bound.doubt_above <= bound.fail_above, name
        assert any(map(math.isfinite, (bound.doubt_below, bound.doubt_above))), name
    newborns = {"caudate": 2740, "putamen": 3500, "pallidum": 1330, "accumbens": 230}
    for name, mm3 in newborns.items():
        assert table.expected_mm3((name,), 40.5) == (mm3, mm3)
        assert (np.diff(table.volumes_mm3[name]) > 0).all()
    assert not Bound(doubt_below=1).beyond(float("nan"))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["phantom", "ball of noise", "half a head"])
def test_what_the_model_makes_of_it(what):
    """The box finds nuclei in noise; that is told from what it finds in a head."""
    from bgpvs_wf.learning.inference.prediction import predict
    from bgpvs_wf.learning.models.bundle import find_model

    made = simulate_subject(40.0, seed=7390, protocol=plain(1.0), n_tubes=5)
    t2w = made.t2w
    if what == "half a head":
        t2w = np.where(np.arange(t2w.shape[0])[:, None, None] < t2w.shape[0] // 2, t2w, 0)
    elif what == "ball of noise":
        places = np.indices(t2w.shape) - (np.array(t2w.shape).reshape(3, 1, 1, 1) - 1) / 2
        signal = np.random.default_rng(0).normal(100, 30, t2w.shape)
        t2w = np.where((places**2).sum(axis=0) < 40**2, np.maximum(signal, 1), 0)
    t2w = t2w.astype(np.float32)
    found = predict(find_model(), t2w=t2w, t1w=None, affine=made.affine, device="cpu")
    findings = judge(
        Result(
            anatomy=found.anatomy,
            bgpvs=found.dseg,
            affine=made.affine,
            images={"T2w": t2w},
            age_weeks=40.0,
            record=found.record,
        )
    )
    assert bool(findings) is (what != "phantom"), findings
