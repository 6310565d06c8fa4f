"""The status of an enrollment: codes, display words, completion dates and progress."""

import pytest
from mapped_items import at, roster_of, transcript_of
from vendor_payloads import ATHENS

from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.providers.talentlms.dates import portal_dates
from mcp_truto_lms.providers.talentlms.status import Vocabulary, status_of

S = EnrollmentStatus
athens = portal_dates(ATHENS)


@pytest.mark.parametrize(
    ("code", "completed", "percent", "status"),
    [
        ("completed", False, None, S.COMPLETED),
        ("complete", False, 0, S.COMPLETED),
        ("Passed", True, 100, S.PASSED),
        ("failed", True, 100, S.FAILED),
        ("Not passed", True, 100, S.FAILED),
        ("incomplete", True, 0, S.IN_PROGRESS),
        ("In-Progress", False, 0, S.IN_PROGRESS),
        ("pending", False, 0, S.IN_PROGRESS),
        ("not_attempted", True, 50, S.ENROLLED),
        ("Not Started", False, 50, S.ENROLLED),
        (None, True, 0, S.COMPLETED),
        (None, False, 1, S.IN_PROGRESS),
        (None, False, 0, S.ENROLLED),
        (None, False, None, S.UNKNOWN),
        ("Ολοκληρώθηκε", False, 40, S.IN_PROGRESS),
        ("Bestanden", False, None, S.UNKNOWN),
    ],
)
def test_a_known_code_decides_the_status_then_completion_then_progress(code, completed, percent, status):
    assert status_of(code, completed=completed, percent=percent) is status


def test_an_unknown_code_is_shown_in_the_custom_fields():
    record = transcript_of({"completion_status": "geschafft", "completion_percentage": ""})
    assert record.enrollment.status is S.UNKNOWN
    assert record.enrollment.custom_fields["completion_status"] == "geschafft"


def test_a_transcript_without_codes_uses_its_english_words():
    record = transcript_of({"completion_status": None, "completion_status_formatted": "Not passed"})
    assert record.enrollment.status is S.FAILED


def test_a_completion_date_counts_only_if_the_enrollment_is_finished_or_failed():
    completed = {"completed_on": "x", "completed_on_timestamp": "1378463999"}
    assert transcript_of({**completed, "completion_status": "incomplete"}).enrollment.completed_at is None
    assert transcript_of({**completed, "completion_status": "failed"}).enrollment.completed_at == at(1378463999)
    assert roster_of(completed).enrollment.status is S.COMPLETED


@pytest.mark.parametrize("no_date", ["", None, "0", 0, "-", "Never", [], {}])
def test_an_empty_completion_date_does_not_complete(no_date):
    record = roster_of({"completed_on": no_date, "completed_on_timestamp": no_date, "completion_percentage": "40"})
    assert record.enrollment.status is S.IN_PROGRESS


def test_a_completion_date_that_cannot_be_parsed_still_completes():
    record = roster_of({"completed_on": "05/06/2020, 10:00:00", "completed_on_timestamp": None})
    assert (record.enrollment.status, record.enrollment.completed_at) == (S.COMPLETED, None)


def test_full_progress_alone_does_not_complete():
    assert roster_of({"completion_percentage": "100"}).enrollment.status is S.IN_PROGRESS


def test_the_status_ignores_the_clock_and_the_record_has_the_end_of_access():
    record = roster_of({"expired_on_timestamp": "1366100000", "completion_percentage": "40"})
    assert (record.enrollment.status, record.access_ends_at, record.enrollment.due_at) == (
        S.IN_PROGRESS,
        at(1366100000),
        at(1366100000),
    )


@pytest.mark.parametrize(
    ("word", "code"),
    [("Ολοκληρώθηκε", "completed"), ("Nicht bestanden", "failed"), ("Δεν έχει ξεκινήσει", "not_attempted")],
)
def test_a_transcript_adds_its_words_to_the_vocabulary(word, code):
    item = {"id": "1", "completion_status": code, "completion_status_formatted": f" {word.upper()} "}
    assert Vocabulary().code(word) is None
    assert Vocabulary().extended_by({"courses": [item]}).code(word) == code


def test_a_word_that_two_codes_share_is_unknown():
    items = [
        {"completion_status": "incomplete", "completion_status_formatted": "Offen"},
        {"completion_status": "not_attempted", "completion_status_formatted": "Offen"},
        {"completion_status": "failed", "completion_status_formatted": "x" * 500},
        {"completion_status": "failed"},
    ]
    vocabulary = Vocabulary().extended_by({"courses": items})
    assert vocabulary.code("Offen") is None
    assert vocabulary.extended_by({"courses": items}) is vocabulary
    assert list(vocabulary.words) == ["offen"]


def test_a_portals_own_word_takes_precedence_over_english():
    item = {"completion_status": "failed", "completion_status_formatted": "Completed"}
    assert Vocabulary().code("Completed") == "completed"
    assert Vocabulary().extended_by({"courses": [item]}).code("Completed") == "failed"
    assert Vocabulary().code("Passed") is None
    assert Vocabulary().code("") is None
