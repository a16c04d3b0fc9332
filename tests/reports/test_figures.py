from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from bgpvs_wf.anatomy.colours import COLOURS, PVS_COLOUR
from bgpvs_wf.reports.figures import (
    legend,
    overlay_figure,
    png_uri,
    tile_svg,
)
from bgpvs_wf.reports.registration_tiles import atlas_tiles, edge_tiles
from bgpvs_wf.reports.tile_scene import Scene
from bgpvs_wf.reports.views import Volume


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def near(image: np.ndarray, colour: str) -> int:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(image - wanted).max(axis=-1) < 25).sum())


def test_overlay_figure_draws_nuclei_and_pvs_and_repeats_itself(toy):
    def draw() -> bytes:
        return overlay_figure(
            toy.t2w.data, toy.t2w.affine, nuclei=toy.nuclei.data, bgpvs=toy.bgpvs.data, title="toy"
        )

    first = draw()
    assert first == draw()
    image = pixels(first)
    for colour in (COLOURS["Putamen"], COLOURS["Pallidum"], PVS_COLOUR):
        assert near(image, colour) > 50


def test_overlay_figure_without_labels_is_grey(toy):
    image = pixels(overlay_figure(toy.t2w.data, toy.t2w.affine))
    assert np.ptp(image, axis=-1).max() == 0


def test_tile_svg_is_self_contained_xml_with_a_layer_a_structure(toy):
    scene = Scene({"T2w": toy.t2w}, toy.nuclei, toy.bgpvs)
    tile = scene.tile("T2w", "axial", scene.slices("axial")[0])
    svg = ET.fromstring(tile_svg(tile))
    layers = [group.get("class") for group in svg.findall("g") if "ov" in group.get("class")]
    assert layers == ["ov nucleus is-putamen", "ov nucleus is-pallidum", "ov pvs is-pvs"]
    width, height = tile.size_mm
    assert svg.get("viewBox") == f"0 0 {width:.2f} {height:.2f}"
    assert svg.find("image").get("href").startswith("data:image/png;base64,")


def test_png_uri_keeps_every_pixel():
    import base64

    grey = np.random.default_rng(0).integers(0, 256, (7, 5), dtype=np.uint8)
    raw = base64.b64decode(png_uri(grey).partition(",")[2])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(raw))), grey)


def test_legend_is_in_the_order_of_the_colours(toy):
    scene = Scene({"T2w": toy.t2w}, toy.nuclei, toy.bgpvs)
    tiles = [scene.tile("T2w", "axial", i) for i in reversed(scene.slices("axial"))]
    assert list(legend(tiles)) == ["Putamen", "Pallidum", "PVS"]


def disc(shift=(0, 0, 0), shape=(50, 60, 40)) -> np.ndarray:
    x, y, z = np.indices(shape)
    centre = np.array(shape) / 2 + shift
    radius = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
    return ndimage.gaussian_filter(np.where(radius < 15, 100.0, 0.0), 0.7)


def test_edges_lie_on_the_fixed_image_whatever_is_shown():
    fixed = Volume(np.where(disc() > 1, disc(), 0), np.eye(4))
    tiles = edge_tiles(fixed, Volume(disc((6, 0, 0)), np.eye(4)), "before")
    assert [tile.plane for tile in tiles] == ["axial", "coronal", "sagittal"]
    axial = tiles[0]
    points = np.concatenate(axial.outlines[0].lines)
    centre = (points.min(0) + points.max(0)) / 2
    np.testing.assert_allclose(np.linalg.norm(points - centre, axis=1), 15, atol=0.7)
    # The moving ball, 6 mm to the patient's right, is 6 mm to the left of the edges' middle.
    columns = np.flatnonzero((axial.grey > 100).any(axis=0))
    assert (columns.mean() + 0.5) - centre[0] == pytest.approx(-6, abs=0.6)


def test_atlas_outlines_are_those_of_its_tissues(toy):
    tiles = atlas_tiles(toy.t2w, toy.nuclei, "atlas")
    assert {outline.name for tile in tiles for outline in tile.outlines} == {"BG"}
