from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgpvs_wf.evaluation.clusters import cluster_scores, count_objects

nan = pytest.approx(np.nan, nan_ok=True)


def pieces(mask: np.ndarray) -> list[set[tuple[int, ...]]]:
    """Return the voxels of each object, by a graph of voxels no more than one apart."""
    voxels = [tuple(map(int, at)) for at in np.argwhere(mask)]
    graph = nx.Graph()
    graph.add_nodes_from(voxels)
    graph.add_edges_from(
        (a, b) for a in voxels for b in voxels if np.abs(np.subtract(a, b)).max() == 1
    )
    return list(nx.connected_components(graph))


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_objects_are_those_of_a_graph_of_voxels(seed, share):
    rng = np.random.default_rng(seed)
    a, b, ignore = rng.random((3, 6, 6, 5)) > [[[[0.9]]], [[[0.85]]], [[[0.8]]]]
    scores = cluster_scores(a, b, ignore, least_overlap=share)

    def hits(mask, other):
        counted, hit = 0, 0
        for piece in pieces(mask):
            judged = [at for at in piece if not ignore[at]]
            if len(piece) - len(judged) >= len(piece) / 2:
                continue
            counted += 1
            shared = sum(other[at] for at in judged)
            hit += shared >= max(1, share * len(judged))
        return counted, hit

    (there, found), (predicted, right) = hits(b, a), hits(a, b)
    assert scores["reference_count"] == there
    assert scores["found_count"] == found
    assert scores["predicted_count"] == predicted
    assert scores["right_count"] == right
    assert scores["cluster_recall"] == (pytest.approx(found / there) if there else nan)
    assert scores["cluster_ppv"] == (pytest.approx(right / predicted) if predicted else nan)
    assert count_objects(b, ignore) == there


def test_an_f1_is_the_harmonic_mean_or_defined():
    one, none = np.zeros((2, 4, 4, 4), bool)
    one[1, 1, 1] = one[3, 3, 3] = True
    names = ("cluster_recall", "cluster_ppv", "cluster_f1")

    def scores(prediction, reference):
        found = cluster_scores(prediction, reference)
        return [found[name] for name in names]

    half = one.copy()
    half[3, 3, 3] = False
    assert scores(half, one) == [0.5, 1, pytest.approx(2 / 3)]
    assert scores(np.roll(half, 1, axis=1) & ~one, half) == [0, 0, 0]
    assert scores(none, none) == [nan, nan, 1]
    assert scores(one, none) == [nan, 0, 0]
    assert scores(none, one) == [0, nan, 0]


def test_an_object_cut_by_ignored_voxels_stays_one():
    line, ignore = np.zeros((2, 7, 3, 3), bool)
    line[:, 1, 1] = True
    ignore[3, 1, 1] = True
    assert cluster_scores(line, line, ignore)["predicted_count"] == 1
    assert count_objects(line & ~ignore) == 2


def test_a_share_is_between_0_and_1():
    with pytest.raises(ValueError, match="share"):
        cluster_scores(np.ones((2, 2, 2)), np.ones((2, 2, 2)), least_overlap=1.1)
