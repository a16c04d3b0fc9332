"""The stage `anatomy` from end to end, on coarse phantoms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nipype import Node, Workflow
from nipype.interfaces import utility as niu

from bgpvs_wf.anatomy.labels import BG_LABELS, SIDES
from bgpvs_wf.anatomy.registry import AtlasEntry
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.imaging.files import save_image
from bgpvs_wf.interfaces.fusion import FusionBox, PutBack
from bgpvs_wf.phantom import SyntheticInfant, simulate_subject
from bgpvs_wf.phantom.protocol import plain
from bgpvs_wf.workflows.anatomy import init_anatomy_wf

AGE = 48.0


@pytest.fixture(scope="module")
def infant() -> SyntheticInfant:
    return simulate_subject(AGE, seed=5, protocol=plain(2.0, hindbrain=False), n_tubes=0)


@dataclass
class Bench:
    """Where one subject's anatomy is made."""

    root: Path
    infant: SyntheticInfant

    def entry(self, name: str, seed: int, shift: tuple[int, int, int] = (0, 0, 0)) -> AtlasEntry:
        """Write another infant's labels as an atlas of labels alone."""
        other = simulate_subject(44, seed=seed, protocol=plain(2.0), n_tubes=0, variation=0.5)
        dseg = np.roll(other.dseg, shift, (0, 1, 2))
        path = save_image(dseg, other.affine, self.root / f"{name}.nii.gz", labels=True)
        return AtlasEntry(name, 44.0, 40.0, 50.0, Path(path))

    def workflow(self, entries: list[AtlasEntry], *modalities: str, turn: bool = False) -> Workflow:
        """Return the stage, its inputs set."""
        affine = self.infant.affine.copy()
        if turn:
            affine[:2] *= -1
        paths = {}
        for name in modalities:
            image = getattr(self.infant, name) / 10
            paths[name] = save_image(image, affine, self.root / f"sub-1_{name}.nii.gz")
        config = RunConfig(bids_dir=self.root, output_dir=self.root / "out", nprocs=1)
        inputs = SubjectInputs(subject="1", age_weeks=AGE, **paths)
        anatomy = init_anatomy_wf(config=config, inputs=inputs, entries=entries, age_weeks=AGE)
        given = anatomy.get_node("inputnode").inputs
        for name, path in paths.items():
            setattr(given, name, str(path))
        given.home = str(inputs.home_image)
        given.images = [str(paths[name]) for name in modalities]
        return anatomy

    def run(self, anatomy: Workflow) -> dict[str, str]:
        """Run the stage; return its outputs."""
        fields = ["dseg", "bg_probability", "atlas", "doubts"]
        # Identity nodes vanish from the graph that has run; this one stays.
        end = Node(niu.Merge(len(fields), no_flatten=True), name="end")
        whole = Workflow("whole", base_dir=str(self.root / "work"))
        inputs = [(f"outputnode.{field}", f"in{n}") for n, field in enumerate(fields, start=1)]
        whole.connect([(anatomy, end, inputs)])
        whole.config["execution"] = {"crashdump_dir": str(self.root)}
        graph = whole.run()
        done = next(node for node in graph.nodes() if node.name == "end")
        return dict(zip(fields, done.result.outputs.out, strict=True))

    def dice(self, path: str, labels: tuple[int, ...] = BG_LABELS) -> float:
        found, truth = (
            np.isin(data, labels) for data in (np.asarray(nib.load(path).dataobj), self.infant.dseg)
        )
        return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


@pytest.fixture
def bench(tmp_path: Path, infant: SyntheticInfant) -> Bench:
    return Bench(tmp_path, infant)


def names(workflow: Workflow) -> set[str]:
    return {node.split(".")[0] for node in workflow.list_node_names()}


def test_one_atlas_needs_no_fusion(bench: Bench) -> None:
    workflow = bench.workflow([bench.entry("one", 1)], "t2w")
    assert names(workflow) == {"inputnode", "outputnode", "registration_1_wf", "refine"}


def test_every_atlas_is_registered_and_all_are_fused(bench: Bench) -> None:
    entries = [bench.entry(name, seed) for seed, name in enumerate(("a", "b", "c"))]
    workflow = bench.workflow(entries, "t2w", "t1w")
    assert names(workflow) >= {f"registration_{n}_wf" for n in (1, 2, 3)} | {"fusion_wf"}
    assert "fusion_wf.warp_3_2" in workflow.list_node_names()
    fused = workflow.get_node("fusion_wf")
    assert {f"dseg_{n}" for n in (1, 2, 3)} < set(fused.get_node("inputnode").inputs.get())


def test_labels_go_into_the_box_and_come_back(tmp_path: Path, infant: SyntheticInfant) -> None:
    image = str(save_image(infant.t2w, infant.affine, tmp_path / "t2w.nii.gz"))
    whole = np.where(np.isin(infant.dseg, (12, 13)), 9012, infant.dseg).astype(np.int16)
    shifted = np.roll(whole, 1, axis=0)
    dsegs = [
        str(save_image(data, infant.affine, tmp_path / f"{n}.nii.gz", labels=True))
        for n, data in enumerate((infant.dseg, shifted))
    ]
    box = FusionBox(images=[image], dsegs=dsegs).run(cwd=str(tmp_path)).outputs
    first, second, mask = (
        np.asarray(nib.load(path).dataobj).astype(int) for path in (*box.dsegs, box.mask)
    )
    assert first.shape == nib.load(box.reference).shape
    assert first.size < 0.3 * infant.dseg.size
    assert 9012 not in second
    assert {12, 13} <= set(np.unique(second))
    assert (mask[(first != second) & np.isin(first, BG_LABELS)] > 0).all()
    # Where the mask is, the second atlas; elsewhere the first.
    back = PutBack(dseg=dsegs[0], fused=box.dsegs[1], mask=box.mask, corner=box.corner)
    out = nib.load(back.run(cwd=str(tmp_path)).outputs.dseg)
    np.testing.assert_allclose(out.affine, infant.affine)
    found = np.asarray(out.dataobj)
    part = tuple(slice(c, c + n) for c, n in zip(box.corner, mask.shape, strict=True))
    np.testing.assert_array_equal(found[part], np.where(mask > 0, second, first))
    outside = np.ones(found.shape, bool)
    outside[part] = False
    np.testing.assert_array_equal(found[outside], infant.dseg[outside])


@pytest.mark.slow
@pytest.mark.parametrize("modalities", [("t2w",), ("t1w",), ("t2w", "t1w")], ids="+".join)
def test_an_atlas_finds_the_nuclei(bench: Bench, modalities: tuple[str, ...]) -> None:
    done = bench.run(bench.workflow([bench.entry("one", 1)], *modalities))
    assert done["doubts"] == []
    assert bench.dice(done["dseg"]) > 0.8
    for side in SIDES.values():
        assert bench.dice(done["dseg"], tuple(set(side) & set(BG_LABELS))) > 0.78
    probability = nib.load(done["bg_probability"]).get_fdata()
    assert probability.min() >= 0
    assert probability.max() <= 1 + 1e-5


@pytest.mark.slow
def test_a_half_turned_header_is_told_and_sides_follow_the_anatomy(bench: Bench) -> None:
    done = bench.run(bench.workflow([bench.entry("one", 1)], "t2w", turn=True))
    assert "turned about up-down" in done["doubts"][0]
    for side in SIDES.values():
        assert bench.dice(done["dseg"], tuple(set(side) & set(BG_LABELS))) > 0.78


@pytest.mark.slow
def test_two_atlases_are_fused(bench: Bench) -> None:
    entries = [bench.entry("one", 1), bench.entry("two", 2)]
    done = bench.run(bench.workflow(entries, "t2w", "t1w"))
    assert bench.dice(done["dseg"]) > 0.8
