"""What is wrong with a table is named by file, line and column, and costs nobody else an age."""

from __future__ import annotations

import json
import os
import time

import pytest

from bgpvs_wf.bids.ages import AgeReader, require_age
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.errors import AgeError, TableError
from bgpvs_wf.tsv import read_tsv

MONTH = 52.1775 / 12
GOOD = "participant_id\tage\tsite\nsub-01\t3\tA\nsub-02\t6\tB\n"


def write(raw, content, sidecar='{"age": {"Units": "month"}}'):
    data = content if isinstance(content, bytes) else content.encode()
    (raw.root / "participants.tsv").write_bytes(data)
    if sidecar is not None:
        data = sidecar if isinstance(sidecar, bytes) else sidecar.encode()
        (raw.root / "participants.json").write_bytes(data)


def age(raw, subject="01", session=None, **kwargs):
    return AgeReader([raw.root]).read(subject, session, **kwargs)


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD.rstrip("\n"),
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\t\t\n"),  # as spreadsheets fill up
        GOOD.replace("\nsub-02", "\n\n \t \nsub-02"),
        '"participant_id"\t"age"\t"site"\n"sub-01"\t"3"\t"A"\n"sub-02"\t6\t"B"\n',
        "participant_id\tage\tsite\n sub-01 \t 3\tA\n02\t6\tB\n",
        GOOD.replace("\tA", '\t5" tall').replace("\tB", '\ta "B" site'),
        GOOD + "sub-01\t3\tA\n",  # said twice
        GOOD + "sub-01\t3\tC\n",  # with another site, which is nobody's age
        GOOD + "sub-03\t3\n",  # another's row is damaged
        GOOD + 'sub-03\t"3\tA\n',
        GOOD + "sub-03\tsoon\tÅ\n",
        GOOD.replace("\tA", "\t" + "A" * 500_000),
    ],
)
def test_what_can_be_read_is(raw, content):
    write(raw, content)
    assert age(raw).weeks == pytest.approx(40 + 3 * MONTH)
    assert age(raw, "02").weeks == pytest.approx(40 + 6 * MONTH)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "participants.tsv is empty"),
        (" \n\t\n", "participants.tsv is empty"),
        (b"\xef\xbb\xbf", "participants.tsv is empty"),
        ("participant_id\tage\n", "participants.tsv has no row for it"),
        (GOOD.replace("A", "Köln").encode("latin-1"), "not UTF-8 text (line 2, column 'site')"),
        (GOOD.replace("site", "stätte").encode("cp1252"), "UTF-8 text (line 1, column 'stätte')"),
        (
            GOOD.replace("\n", "\r\n").replace("B", "Ö").encode("latin-1"),
            "text (line 3, column 'site')",
        ),
        (GOOD.encode("utf-16"), "is UTF-16 text, where BIDS has UTF-8; save it as UTF-8"),
        (b"\xfe\xff" + GOOD.encode("utf-16-be"), "is UTF-16 text"),
        (GOOD.encode("utf-16-le"), "is UTF-16 text"),
        (GOOD.encode("utf-32"), "is UTF-32 text"),
        (GOOD.replace("A", "A\0"), "is damaged: line 2 has NUL bytes"),
        (GOOD.replace("\t", ","), "is separated by commas, not tabs"),
        (GOOD.replace("\t", ";"), "is separated by semicolons, not tabs"),
        (GOOD.replace("\t", "|"), "is separated by bars, not tabs"),
        (GOOD.replace("\t", "   "), "is separated by blanks, not tabs"),
        ("participant_id\tage\nsub-01,3\n", "line 2 has 1 field, separated by commas, where the"),
        ("participant_id\tage\tsex\nsub-01\t3\n", "line 2 has 2 fields where the header has 3"),
        ("participant_id\tage\nsub-01\t3\tF\n", "line 2 has 3 fields where the header has 2"),
        ('participant_id\tage\nsub-01\t"3\n', "line 2 has a stray quote in column 'age'"),
        (
            'participant_id\tage\n"sub-01\t3\n',
            "line 2 has a stray quote in column 'participant_id'",
        ),
        ('participant_id\tage\nsub-01"\t3\n', "line 2 has 'sub-01\"' where it could be 'sub-01'"),
        ("participant_id\tage\nsub-1\t3\n", "line 2 has 'sub-1' where it could be 'sub-01'"),
        ("participant_id\tage\n1\t3\n", "line 2 has '1' where it could be 'sub-01'"),
        ("participant_id\tage\nSUB-01\t3\n", "line 2 has 'SUB-01' where it could be 'sub-01'"),
        ("Participant_ID\tage\nsub-01\t3\n", "'participant_id' (there is 'Participant_ID')"),
        ("subject_id\tage\nsub-01\t3\n", "'participant_id' (there is 'subject_id'); rename it"),
        ("partcipant_id\tage\nsub-01\t3\n", "'participant_id' (there is 'partcipant_id')"),
        ("age\tsite\n3\tA\n", "has no column 'participant_id'; add it"),
        ("sub-01\t3\nsub-02\t6\n", "has no header"),
        ("participant_id\tage\tage\nsub-01\t3\t3\n", "has the column 'age' twice"),
        (GOOD + "sub-01\t4\tA\n", "several rows for it that differ in 'age' (lines 2 and 4)"),
        (GOOD + "01\tn/a\tA\n", "several rows for it that differ in 'age' (lines 2 and 4)"),
        ("participant_id\tsex\nsub-01\tF\n", "has no column 'age'"),
        ("participant_id\tage\nsub-09\t3\n", "has no row for it"),
    ],
)
def test_the_cause_is_named(raw, content, says):
    write(raw, content)
    found = age(raw)
    assert found.weeks is None
    assert says in found.note
    assert str(raw.root / "participants.tsv") in found.note
    with pytest.raises(AgeError) as error:
        require_age(SubjectInputs(subject="01", age_note=found.note))
    assert says in str(error.value)
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize(
    ("sidecar", "says"),
    [
        ('{"age": {"Units": "month"}', "is not valid JSON (Expecting ',' delimiter: line 1 col"),
        ('{\n"age": {"Units": month}}', "line 2 column 18"),
        ("", "is not valid JSON"),
        (b'{"age": {"Units": "month", "Description": "\xe4"}}', "is not UTF-8 text"),
        ("[" * 100_000, "is not valid JSON (nested too deeply)"),
        ('[{"age": {"Units": "month"}}]', "is no mapping of columns"),
        ('"month"', "is no mapping of columns"),
        ('{"age": "month"}', "the entry of 'age' in"),
        ('{"age": ["month"]}', "the entry of 'age' in"),
        ('{"age": {"Units": ["month"]}}', "the Units of 'age' in"),
        ('{"age": {"Units": 12}}', "the Units of 'age' in"),
        ('{"age": {"Units": {"month": 1}}}', "the Units of 'age' in"),
        ('{"age": {"Units": "fortnights"}}', "has Units 'fortnights', which is no unit of age"),
        ("{}", "is 3 without a unit"),
        ('{"age": {"Units": null}}', "is 3 without a unit"),
        (None, "is 3 without a unit"),
    ],
)
def test_a_unit_that_cannot_be_read_is_no_unit(raw, sidecar, says):
    write(raw, GOOD, sidecar)
    found = age(raw)
    assert found.weeks is None
    assert says in found.note
    assert str(raw.root / "participants.json") in found.note or "'fortnights'" in found.note


def test_a_damaged_sidecar_may_have_said_what_the_age_counts_from(raw):
    told = {"age_weeks": {"Description": "post-menstrual age"}}
    content = "participant_id\tage_weeks\nsub-01\t41\n"
    write(raw, content, json.dumps(told))
    assert age(raw).weeks == 41
    write(raw, content, json.dumps(told)[:-1])
    assert age(raw).weeks is None  # not 81


def test_an_age_is_taken_although_the_age_at_birth_cannot_be_read_and_that_is_said(raw):
    write(raw, "participant_id\tbirth_age\nsub-01\t30\tx\n", None)
    raw.table("sub-01/sub-01_sessions.tsv", ("session_id", "age"), ("a", 8), age={"Units": "week"})
    found = age(raw, session="a")
    assert found.weeks == 48
    assert "; but " in found.note
    assert "line 2 has 3 fields where the header has 2" in found.note


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("session_id,age\nses-a,3\n", "is separated by commas"),
        ("Session\tage\nses-a\t3\n", "has no column 'session_id' (there is 'Session')"),
        ("session_id\tage\nses-a\t3\nses-a\t4\n", "several rows for it that differ in 'age'"),
        ("session_id\tage\nses-A\t3\n", "line 2 has 'ses-A' where it could be 'ses-a'"),
    ],
)
def test_tables_of_sessions_are_read_the_same_way(raw, content, says):
    raw.text("sub-01/sub-01_sessions.tsv", content)
    found = age(raw, session="a", only_session=False)
    assert found.weeks is None
    assert says in found.note


@pytest.mark.parametrize("name", ["participants.tsv", "participants.json"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: os.mkfifo(path), "it is a pipe"),
        (lambda path: path.symlink_to("nowhere"), "it is a broken link"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    ],
)
def test_only_regular_files_are_read(raw, name, make, says):
    write(raw, GOOD)
    path = raw.root / name
    path.unlink()
    make(path)
    found = age(raw)
    assert found.weeks is None
    assert f"{path} cannot be read: {says}" in found.note


def test_many_rows_are_read_once_and_quickly(raw):
    rows = "".join(f"sub-{i:07d}\t{i % 24}\tA\n" for i in range(300_000))
    write(raw, "participant_id\tage\tsite\n" + rows)
    reader, start = AgeReader([raw.root]), time.monotonic()
    ages = [reader.read(f"{i:07d}").weeks for i in range(0, 300_000, 100)]
    assert ages[5] == pytest.approx(40 + 500 % 24 * MONTH)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("text", "limits", "says"),
    [
        ("many", {}, "'many', no number, in line 3, column 'n'"),
        ("1,5", {}, "'1,5', no number, in line 3"),
        ("nan", {}, "'nan', no number"),
        ("-inf", {}, "'-inf', no number"),
        ("-1", {"least": 0}, "'-1', below 0, in line 3, column 'n'"),
        ("2", {"most": 1}, "'2', above 1"),
        ("1.5", {"whole": True}, "'1.5', no whole number"),
        ("x" * 10**6, {}, "xxx...', no number"),
    ],
)
def test_numbers_are_told_from_what_is_none(tmp_path, text, limits, says):
    path = tmp_path / "t.tsv"
    path.write_text(f"name\tn\na\tn/a\nb\t{text}\n")
    with pytest.raises(TableError) as error:
        read_tsv(path).numbers("n", **limits)
    assert says in str(error.value)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 300
