"""Cells and lines: clean, visible, and on one line."""

from __future__ import annotations

import csv
import unicodedata
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.model import CellKind, EnrollmentColumn, enrollment_columns
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.render.cells import cell, cells, csv_line, value_at
from tests.truth import NOON

ATHENS = ZoneInfo("Europe/Athens")
HOSTILE = st.text(st.characters() | st.sampled_from('gqjxkz\n\r\t\u202e\u200b\u2066\U000e0041\ufeff\u00ad",|{}'))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Jane Doe", "Jane Doe"),
        ("  Jane \t\r\n Doe  ", "Jane Doe"),
        ("Jane\u2028Doe\u2029\x85\x0b!", "Jane Doe !"),
        ("Ja\u200bne\u200d\u2060\ufeff", "Jane"),
        ("\u202eeoD\u202c \u2066Jane\u2069", "eoD Jane"),
        ("Jane\U000e0049\U000e0047\U000e004e", "Jane"),
        ("Ja\x00ne\x1b[31m", "Jane[31m"),
        ("so\u00adft", "soft"),
        ("a\ufe0fb\U000e0101", "ab"),
        ("a\u3164\u115f\u034fb", "ab"),
        ("a\ue000b\U0010fffd", "ab"),
        ("e\u0301", "é"),
        ("e\u200b\u0301", "é"),
        ("e\u034f\u0301", "é"),
        ("日本語 テスト", "日本語 テスト"),
        ("👍🏽", "👍🏽"),
        ("", ""),
        ("\u200b", ""),
    ],
)
def test_only_visible_characters_are_printed_on_one_line(text: str, shown: str):
    assert clean(text) == shown


@given(HOSTILE, st.integers(2, 100))
def test_a_clean_text_is_visible_and_short_and_cleaning_it_again_changes_nothing(text: str, limit: int):
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert shown == " ".join(shown.split())
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert clean(shown, limit) == shown


def test_a_long_text_is_clipped_with_a_mark():
    assert clean("x" * 80) == "x" * 80
    assert clean("x" * 81) == "x" * 79 + "…"
    assert clean("x" * 10_000_000, 10) == "xxxxxxxxx…"
    assert clean("word " * 40, 11) == "word word…"


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (None, "day", ""),
        (NOON, "day", "2026-11-23"),
        (NOON + 10 * 3600, "day", "2026-11-24"),
        (0, "day", "1970-01-01"),
        (100.0, "number", "100"),
        (66.666, "number", "66.67"),
        (1_000_000, "number", "1000000"),
        (0, "number", "0"),
        (5400, "hours", "1.5"),
        (True, "flag", "yes"),
        (False, "flag", "no"),
        ([{"email": "a@x"}, {"email": "b@x", "is_primary": True}], "email", "b@x"),
        ([{"email": "a@x"}], "email", "a@x"),
        ([{"url": "https://x/y"}], "link", "https://x/y"),
        ("a\nb", "text", "a b"),
        (12, "text", "12"),
        (["North", "South"], "text", '["North","South"]'),
        ({"Site": "Łódź"}, "fields", '{"Site":"Łódź"}'),
    ],
)
def test_a_cell_prints_as_short_as_its_kind_allows(value: object, kind: CellKind, shown: str):
    assert cell(value, kind, ATHENS) == shown


def test_a_custom_field_is_matched_whatever_its_case():
    row = {"user.name": "Jane", "custom_fields": {"Job title": "Dispatcher", "SITE": None}}
    assert value_at(row, "user.name") == "Jane"
    assert value_at(row, "custom_fields.Job title") == "Dispatcher"
    assert value_at(row, "custom_fields.job TITLE") == "Dispatcher"
    assert value_at(row, "custom_fields.site") is None
    assert value_at({"custom_fields": None}, "custom_fields.site") is None


def test_cells_are_in_the_order_of_the_columns():
    columns = [enrollment_columns()["due_at"], EnrollmentColumn("custom_fields.site", "site", "text")]
    assert cells({"due_at": NOON, "custom_fields": {"site": "Oslo, NO"}}, columns, ATHENS) == ["2026-11-23", "Oslo, NO"]


@given(st.lists(HOSTILE, min_size=1, max_size=6))
def test_a_line_reads_back_as_its_cells(parts: list[str]):
    cleaned = [clean(part) for part in parts]
    text = csv_line(cleaned)
    assert "\n" not in text
    assert next(csv.reader([text])) == cleaned
