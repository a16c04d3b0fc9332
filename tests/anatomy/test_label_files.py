"""Files of names and colours, read as their formats are defined and as the program reads them."""

from __future__ import annotations

import re

import pytest

from bgpvs_wf.anatomy.colours import rgb
from bgpvs_wf.anatomy.label_files import LABEL_MAPS, write_label_files
from bgpvs_wf.anatomy.label_names import read_names
from bgpvs_wf.anatomy.labels import NUCLEI, bgpvs_label_table, label_table

# Index, red, green, blue, opacity, visible, in 3D, and the name in quotes.
ITKSNAP = re.compile(r' *(\d+) +(\d+) +(\d+) +(\d+) +([01]) +([01]) +([01]) +"([^"]+)"')


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    write_label_files(folder)
    return folder


def rows(path):
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def told(name):
    """Return index, name and red, green, blue, as the tables beside the label maps have them."""
    table = label_table(NUCLEI) if name == "nuclei" else bgpvs_label_table().iloc[1:]
    columns = zip(table["index"], table["name"], table["color"], strict=True)
    return [(int(index), said, rgb(colour)) for index, said, colour in columns]


@pytest.mark.parametrize("name", LABEL_MAPS)
def test_itksnap_reads_what_tables_say(folder, name):
    first, *others = [ITKSNAP.fullmatch(row) for row in rows(folder / f"{name}_itksnap.txt")]
    assert first.groups() == ("0", "0", "0", "0", "0", "0", "0", "Clear Label")
    found = [(int(m[1]), m[8], (int(m[2]), int(m[3]), int(m[4]))) for m in others]
    assert found == told(name)
    assert {m.groups()[4:7] for m in others} == {("1", "1", "1")}
    # A label is 16 bits wide there.
    assert max(index for index, *_ in found) < 2**16


@pytest.mark.parametrize("name", LABEL_MAPS)
def test_slicer_and_freeview_read_what_tables_say(folder, name):
    head = (folder / f"{name}_slicer.ctbl").read_text().splitlines()[:2]
    assert head == [f"# Color table file {name}_slicer.ctbl", f"# {len(told(name)) + 1} values"]
    for file, zero, opacity in (
        ("slicer.ctbl", "Background", "255"),
        ("freeview.txt", "Unknown", "0"),
    ):
        first, *others = [row.split() for row in rows(folder / f"{name}_{file}")]
        assert first == ["0", zero, "0", "0", "0", "0"]
        assert {row[5] for row in others} == {opacity}
        found = [(int(i), said, (int(r), int(g), int(b))) for i, said, r, g, b, _ in others]
        assert found == told(name)


@pytest.mark.parametrize("name", LABEL_MAPS)
@pytest.mark.parametrize("file", ["itksnap.txt", "freeview.txt"])
def test_the_program_reads_them_as_label_tables(folder, name, file):
    names = read_names(folder / f"{name}_{file}")
    assert {index: said for index, said in names.items() if index} == {
        index: said for index, said, _ in told(name)
    }


def test_files_that_say_the_same_stay_and_others_are_made_anew(tmp_path):
    write_label_files(tmp_path)
    same, other = tmp_path / "nuclei_itksnap.txt", tmp_path / "bgpvs_freeview.txt"
    before, right = same.stat().st_mtime_ns, other.read_text()
    other.write_text("of an older version")
    write_label_files(tmp_path)
    assert same.stat().st_mtime_ns == before
    assert other.read_text() == right
