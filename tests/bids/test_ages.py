from __future__ import annotations

import pytest

from bgpvs_wf.bids.ages import AgeReader, require_age
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.errors import AgeError

MONTH = 52.1775 / 12


def age_of(tree, session=None, **kwargs):
    return AgeReader([tree.root]).read("01", session, **kwargs)


@pytest.mark.parametrize(
    ("column", "value", "sidecar", "weeks"),
    [
        ("age", 6, {"Units": "months"}, 40 + 6 * MONTH),
        ("age", 6, {"Units": "Month"}, 40 + 6 * MONTH),
        ("age", 10, {"Units": "weeks"}, 50),
        ("age", 14, {"Units": "days"}, 42),
        ("age", 1, {"Units": "years"}, 40 + 12 * MONTH),
        ("age", 0.5, {}, 40 + 6 * MONTH),
        ("Age", "6 months", {}, 40 + 6 * MONTH),
        ("age_months", 6, {}, 40 + 6 * MONTH),
        ("age_days", 7, {}, 41),
        ("age", 41.3, {"Units": "weeks", "Description": "Post-menstrual age at scan"}, 41.3),
        ("age", 41.3, {"Units": "gestational weeks"}, 41.3),
        ("age", 287, {"Units": "days", "LongName": "postmenstrual age"}, 41),
        ("age", 2, {"Units": "weeks", "Description": "Chronological, not post-menstrual"}, 42),
        ("scan_age", 41.3, {}, 41.3),
        ("scan_age", 3, {"Units": "months"}, 40 + 3 * MONTH),
        ("scan_age", 3, {"Units": "weeks", "Description": "Weeks since birth"}, 43),
        ("pma_weeks", 41.3, {}, 41.3),
        ("age_adjusted", 70, {"Units": "days"}, 50),
        ("age_adjusted", -14, {"Units": "days"}, 38),
    ],
)
def test_units_and_meanings(raw, column, value, sidecar, weeks):
    name = {column: sidecar} if sidecar else {}
    raw.table("participants.tsv", ("participant_id", column), ("sub-01", value), **name)
    age = age_of(raw)
    assert age.weeks == pytest.approx(weeks)
    assert "participants.tsv" in age.note
    assert f"'{column}'" in age.note


def test_gestation_at_birth_is_added_to_the_age_since_birth(raw):
    rows = ("participant_id", "age", "birth_age", "sex"), ("sub-01", 8, 32.5, "F")
    raw.table("participants.tsv", *rows, age={"Units": "weeks"})
    age = age_of(raw)
    assert age.weeks == pytest.approx(40.5)
    assert "born at 32.5 weeks" in age.note


@pytest.mark.parametrize(
    ("birth", "unit", "weeks"),
    [(231, "days", 41), (3, "weeks", 48), ("n/a", "weeks", 48), (99, "weeks", 48)],
)
def test_gestation_at_birth_is_believed_only_if_credible(raw, birth, unit, weeks):
    rows = ("participant_id", "age", "gestational_age"), ("sub-01", 8, birth)
    raw.table("participants.tsv", *rows, age={"Units": "weeks"}, gestational_age={"Units": unit})
    age = age_of(raw)
    assert age.weeks == pytest.approx(weeks)
    assert ("assumed" in age.note) == (weeks == 48)


def test_corrected_age_goes_before_age_since_birth_and_is_not_corrected_twice(raw):
    rows = (
        ("participant_id", "age", "age_adjusted", "birth_age"),
        ("sub-01", 0.25, 21, 30),
    )
    raw.table("participants.tsv", *rows, age_adjusted={"Units": "days"})
    assert age_of(raw).weeks == pytest.approx(43)


def test_the_birth_age_may_be_in_another_table_than_the_age(raw):
    raw.table("participants.tsv", ("participant_id", "birth_age"), ("01", 30))
    raw.table(
        "sub-01/sub-01_sessions.tsv", ("session_id", "age"), ("a", 12), age={"Units": "weeks"}
    )
    assert age_of(raw, "a").weeks == pytest.approx(42)


def test_whole_numbers_without_unit_are_not_guessed(raw):
    raw.table("participants.tsv", ("participant_id", "age"), ("sub-01", 2))
    age = age_of(raw)
    assert age.weeks is None
    assert "without a unit" in age.note
    assert "participants.json" in age.note


def test_bids_default_of_years_is_noted(raw):
    raw.table("participants.tsv", ("participant_id", "age"), ("sub-01", 0.5))
    assert "years, as BIDS has it" in age_of(raw).note


def test_sessions_go_before_participants_and_sidecars_are_inherited(raw):
    raw.table("participants.tsv", ("participant_id", "age"), ("sub-01", 1), age={"Units": "weeks"})
    raw.table("sub-01/sub-01_sessions.tsv", ("session_id", "age"), ("ses-a", 2), ("b", 3))
    raw.text("sessions.json", '{"age": {"Units": "months"}}')
    assert age_of(raw, "a").weeks == pytest.approx(40 + 2 * MONTH)
    assert age_of(raw, "b").weeks == pytest.approx(40 + 3 * MONTH)
    assert age_of(raw, "c").weeks == pytest.approx(41)


def test_one_age_for_several_sessions_is_not_used(raw):
    raw.table("participants.tsv", ("participant_id", "age"), ("sub-01", 1), age={"Units": "weeks"})
    age = age_of(raw, "a", only_session=False)
    assert age.weeks is None
    assert "sub-01_sessions.tsv" in age.note


def test_participants_with_a_column_of_sessions(raw):
    rows = [("participant_id", "session_id", "age"), ("sub-01", "ses-a", 1), ("sub-01", "b", 9)]
    raw.table("participants.tsv", *rows, age={"Units": "weeks"})
    assert age_of(raw, "b", only_session=False).weeks == pytest.approx(49)


@pytest.mark.parametrize(
    ("text", "says"), [("n/a", "missing"), ("", "missing"), ("soon", "unreadable"), ("-3", "negat")]
)
def test_what_cannot_be_read_names_file_subject_and_column(raw, text, says):
    raw.table("participants.tsv", ("participant_id", "age"), ("sub-01", text))
    age = age_of(raw)
    assert age.weeks is None
    for part in ("sub-01", "participants.tsv", "'age'", says):
        assert part in age.note
    with pytest.raises(AgeError, match="An age is needed") as error:
        require_age(SubjectInputs(subject="01", age_note=age.note))
    for part in ("sub-01", "participants.tsv", "'age'"):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_no_table_no_row_no_column(raw):
    assert "does not exist" in age_of(raw).note
    raw.table("participants.tsv", ("participant_id", "age"), ("sub-02", 1))
    assert "no row" in AgeReader([raw.root]).read("01").note
    raw.table("participants.tsv", ("participant_id", "sex"), ("sub-01", "F"))
    assert "no column 'age'" in AgeReader([raw.root]).read("01").note


def test_the_next_dataset_is_asked_where_the_first_has_nothing(raw, derived):
    raw.table("participants.tsv", ("participant_id", "age"), ("sub-01", "n/a"))
    derived.table("participants.tsv", ("participant_id", "scan_age"), ("01", 39.5))
    assert AgeReader([raw.root, derived.root]).read("01").weeks == pytest.approx(39.5)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"participant_id\tage\n"])
def test_unreadable_tables_are_no_tables(raw, content):
    (raw.root / "participants.tsv").write_bytes(content)
    raw.text("participants.json", "{")
    assert age_of(raw).weeks is None


@pytest.mark.parametrize("weeks", [20.0, 27.9, 161.0, 400.0])
def test_ages_out_of_range_are_refused(weeks):
    inputs = SubjectInputs(subject="01", session="a", age_weeks=weeks, age_note="t.tsv 'age'")
    with pytest.raises(AgeError, match=r"sub-01_ses-a .*t\.tsv 'age'.*outside 28 to 160"):
        require_age(inputs)


@pytest.mark.parametrize("weeks", [28.0, 40.0, 40 + 24 * MONTH])
def test_ages_in_range_are_returned(weeks):
    assert require_age(SubjectInputs(subject="01", age_weeks=weeks)) == weeks
