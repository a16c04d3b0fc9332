"""Atlas folders, and the choice of an entry for an age."""

from __future__ import annotations

import json

import pytest

from bgpvs_wf.anatomy.matching import choose_entries, find_atlas, parse_age
from bgpvs_wf.anatomy.registry import (
    Atlas,
    AtlasEntry,
    embedded_atlas_folder,
    known_atlases,
    load_atlas,
    user_atlas_folder,
)
from bgpvs_wf.errors import AgeError, AtlasError


def _atlas(name, windows, tmp_path, embedded=False):
    folder = tmp_path / name
    entries = tuple(
        AtlasEntry(name, age, low, high, folder / f"{age}_dseg.nii.gz")
        for age, low, high in windows
    )
    return Atlas(name, folder, entries, embedded=embedded)


@pytest.fixture
def written(tmp_path, dseg, image, save):
    """Return a folder with two ages, written by hand from the published format."""
    folder = tmp_path / "home" / "mine"
    save(folder / "a" / "dseg.nii.gz", dseg)
    save(folder / "T2w.nii.gz", image)
    save(folder / "p.nii.gz", (dseg == 11).astype("f4"))
    ages = {"min_age_weeks": 36, "max_age_weeks": 44, "T1w": None, "T2w": "T2w.nii.gz"}
    files = {"dseg": "a/dseg.nii.gz", "probsegs": {"11": "p.nii.gz"}}
    entries = [{"age_weeks": 42, **ages, **files}, {"age_weeks": 38.5, **ages, **files}]
    about = {"name": "mine", "description": "d", "license": "CC0", "citation": "c"}
    (folder / "atlas.json").write_text(json.dumps({**about, "entries": entries}))
    return folder


def test_loads_what_the_format_says(written):
    atlas = load_atlas(written)
    assert [entry.age_weeks for entry in atlas.entries] == [38.5, 42]
    entry = atlas.entries[0]
    assert entry.modalities == ("T2w",)
    assert entry.image("T1w") is None
    assert entry.dseg == written / "a" / "dseg.nii.gz"
    assert entry.probsegs == {11: written / "p.nii.gz"}
    assert entry.files == (entry.dseg, entry.t2w, entry.probsegs[11])
    assert all(path.is_absolute() for path in entry.files)
    assert (atlas.license, atlas.citation, atlas.embedded) == ("CC0", "c", False)
    assert isinstance(hash(entry), int)


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "cannot be read"), ('{"name": "x"}', "'entries' is missing"),
     ("[]", "not a mapping"), ("7", "it is 7, not a mapping"),
     ('{"name": "x", "entries": [5]}', "'entries.0' is 5"),
     ('{"name": "x", "entries": [{"age_weeks": "old"}]}', "age_weeks' is 'old', not a number"),
     ('{"name": "x", "entries": []}', "no entries")],
)  # fmt: skip
def test_damaged_folders_give_one_clear_line(tmp_path, content, says):
    (tmp_path / "atlas.json").write_text(content)
    with pytest.raises(AtlasError, match=says) as caught:
        load_atlas(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(written, tmp_path):
    (written / "p.nii.gz").unlink()
    with pytest.raises(AtlasError, match=r"lacks .*p\.nii\.gz"):
        load_atlas(written)
    with pytest.raises(AtlasError, match="no atlas folder"):
        load_atlas(tmp_path / "nowhere")


def test_known_atlases_are_the_users_before_the_embedded(written, tmp_path):
    home = written.parent
    (home / ".mine.1234.new").mkdir()
    (home / ".mine.1234.new" / "atlas.json").write_text("{")
    atlases = known_atlases(home, tmp_path / "no-embedded")
    assert [(atlas.name, atlas.embedded) for atlas in atlases] == [("mine", False)]
    both = known_atlases(home, home)
    assert [(atlas.name, atlas.embedded) for atlas in both] == [("mine", False)]
    shipped = known_atlases(tmp_path / "none", home)
    assert [(atlas.name, atlas.embedded) for atlas in shipped] == [("mine", True)]


def test_folders_come_from_the_environment(tmp_path):
    assert user_atlas_folder({"BGPVS_WF_ATLASES": str(tmp_path)}) == tmp_path
    assert user_atlas_folder({"XDG_DATA_HOME": "/x"}).as_posix() == "/x/bgpvs-wf/atlases"
    assert user_atlas_folder({}).as_posix().endswith("/.local/share/bgpvs-wf/atlases")
    assert embedded_atlas_folder().parent.is_dir()


def test_without_names_all_covering_atlases_of_the_user_are_chosen(tmp_path):
    series = _atlas("series", [(38, 36, 39), (40, 39, 41), (42, 41, 44)], tmp_path)
    single = _atlas("single", [(44, 40, 50)], tmp_path)
    other = _atlas("other", [(90, 80, 100)], tmp_path)
    shipped = _atlas("synthetic", [(40, 28, 60), (92, 60, 150)], tmp_path, embedded=True)
    entries, notes = choose_entries([series, single, other, shipped], 41.0)
    assert [(entry.atlas, entry.age_weeks) for entry in entries] == [("series", 40), ("single", 44)]
    assert notes == ()


def test_without_a_covering_atlas_the_embedded_stands_in_and_says_so(tmp_path):
    own = _atlas("own", [(40, 37, 44)], tmp_path)
    shipped = _atlas("synthetic", [(40, 28, 60), (92, 60, 150)], tmp_path, embedded=True)
    entries, notes = choose_entries([own, shipped], 80)
    assert [(entry.atlas, entry.age_weeks) for entry in entries] == [("synthetic", 92)]
    assert len(notes) == 1
    assert "own" in notes[0]
    assert choose_entries([shipped], 80)[1] == ()
    with pytest.raises(AtlasError, match=r"80\.0 weeks"):
        choose_entries([own], 80)
    with pytest.raises(AgeError):
        choose_entries([own, shipped], None)


def test_named_atlases_are_taken_whatever_the_age(tmp_path, written):
    own = _atlas("own", [(40, 37, 44)], tmp_path)
    entries, notes = choose_entries([own], 92.2, ["own", "own", str(written)])
    assert [(entry.atlas, entry.age_weeks) for entry in entries] == [("own", 40), ("mine", 42)]
    assert notes[0] == (
        "Atlas 'own' (40 weeks) is meant for 37 to 44 weeks; the subject is 92.2 weeks old."
    )
    assert choose_entries([own], 40, ["own"])[1] == ()
    assert choose_entries([own], None, ["own"]) == (own.entries, ())
    with pytest.raises(AgeError, match="several ages"):
        choose_entries([own], None, [str(written)])


def test_unknown_names_list_the_known(tmp_path):
    own = _atlas("own", [(40, 37, 44)], tmp_path)
    with pytest.raises(AtlasError, match=r"Unknown atlas 'mcrib'; known: own\."):
        choose_entries([own], 40, ["mcrib"])
    with pytest.raises(AtlasError, match="atlas add"):
        find_atlas(str(tmp_path), [own])


@pytest.mark.parametrize(
    ("text", "weeks"),
    [("40w", 40), ("39.5 weeks", 39.5), ("12m", 40 + 52.1775), ("6mo", 40 + 52.1775 / 2),
     ("2y", 40 + 2 * 52.1775), (" 1 Year ", 40 + 52.1775), ("38WKS", 38)],
)  # fmt: skip
def test_ages_in_words(text, weeks):
    assert parse_age(text) == pytest.approx(weeks)


@pytest.mark.parametrize(
    "text", ["", "40", "w", "-3m", "3 moons ago", "40 w 3 d", "3moths", "40wet", "1yo"]
)
def test_what_is_no_age(text):
    with pytest.raises(AgeError, match="no age"):
        parse_age(text)
