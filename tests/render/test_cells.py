"""Cells, lines and the budget: clean, on one line, and never dearer than estimated."""

from __future__ import annotations

import csv
import random
import unicodedata
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.tokens import count
from mcp_truto_lms.domain.model import CellKind, EnrollmentColumn, enrollment_columns
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.render.cells import cell, cells, csv_line, value_at
from mcp_truto_lms.render.token_budget import clip_to_tokens, estimate_tokens, take_within_budget
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
def test_only_what_is_visible_is_shown_on_one_line(text: str, shown: str):
    assert clean(text) == shown


@given(HOSTILE, st.integers(2, 100))
def test_a_clean_text_is_visible_short_and_stays_as_it_is(text: str, limit: int):
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert shown == " ".join(shown.split())
    assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
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


def test_a_custom_field_is_found_whatever_its_case():
    row = {"user.name": "Jane", "custom_fields": {"Job title": "Dispatcher", "SITE": None}}
    assert value_at(row, "user.name") == "Jane"
    assert value_at(row, "custom_fields.Job title") == "Dispatcher"
    assert value_at(row, "custom_fields.job TITLE") == "Dispatcher"
    assert value_at(row, "custom_fields.site") is None
    assert value_at({"custom_fields": None}, "custom_fields.site") is None


def test_cells_come_in_the_order_of_the_columns():
    columns = [enrollment_columns()["due_at"], EnrollmentColumn("custom_fields.site", "site", "text")]
    assert cells({"due_at": NOON, "custom_fields": {"site": "Oslo, NO"}}, columns, ATHENS) == ["2026-11-23", "Oslo, NO"]


@given(st.lists(HOSTILE, min_size=1, max_size=6))
def test_a_line_reads_back_as_the_cells_it_was_made_of(parts: list[str]):
    cleaned = [clean(one) for one in parts]
    text = csv_line(cleaned)
    assert "\n" not in text
    assert next(csv.reader([text])) == cleaned


@given(HOSTILE)
def test_an_estimate_is_never_more_than_a_token_a_byte(text: str):
    assert estimate_tokens(text) <= len(text.encode(errors="surrogatepass"))


@given(HOSTILE, HOSTILE)
def test_an_estimate_grows_with_the_text(first: str, second: str):
    assert estimate_tokens(first) <= estimate_tokens(first + second)


@given(HOSTILE, st.integers(3, 60))
def test_a_clipped_text_costs_no_more_than_it_may(text: str, tokens: int):
    clipped = clip_to_tokens(text, tokens)
    assert estimate_tokens(clipped) <= tokens
    assert clipped == text or (clipped.endswith("…") and text.startswith(clipped[:-1]))


def test_where_not_even_the_mark_fits_nothing_is_left():
    assert clip_to_tokens("Jane Doe", 2) == ""
    assert clip_to_tokens("Jane Doe", -5) == ""


@given(st.lists(HOSTILE, max_size=20), st.integers(0, 200))
def test_lines_that_fit_are_the_first_ones_whole_and_within_the_budget(lines: list[str], budget: int):
    taken = take_within_budget(lines, budget)
    assert taken == lines[: len(taken)]
    assert sum(estimate_tokens(one) + 1 for one in taken) <= budget
    if len(taken) < len(lines):
        assert sum(estimate_tokens(one) + 1 for one in lines[: len(taken) + 1]) > budget


def wild_texts() -> list[str]:
    """Texts of every kind that a column can hold, the dear ones above all."""
    chance = random.Random(2026)
    alphabets = [
        "abcdefghijklmnopqrstuvwxyz",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        "gqjxkzwv",
        "0123456789-:TZ, ",
        "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ ",
        "āăąćĉċčďđēĕėęěĝğġģĥħĩīĭįı ",
        "αβγδεζηθικλμνξοπρστυφχψω ",
        "日本語中文字符測試한국어텍스트",
        "אבגדהוזחטיكلمنهوي ",
        "😀🎉👩🏽\u0301\u0489\U0001d49c",
        "ᚠᚢᚦᚨᚱᛖᛚᛗᛞ𒀀𒁀𓀀𓂀ꙮ",
    ]
    texts = ["".join(chance.choices(one, k=length)) for one in alphabets for length in (1, 2, 3, 5, 9, 40, 300)]
    texts += ["".join(chance.choices("bcdfghlmnprstvwy", k=length)) for length in (4, 7, 10) for _ in range(700)]
    texts += ["".join(chr(chance.randrange(32, 0xD7FF)) for _ in range(80)) for _ in range(50)]
    texts += [",".join(f"20{chance.randrange(10, 99)}-11-{chance.randrange(10, 31)}" for _ in range(8))]
    texts += [one * 40 for one in ("gq", "qj", "aB", "Zz", "a ", " a", "\n", " ", "1a", "1,", "a1b", "½1", "'s", "xq ")]
    return texts


@pytest.mark.node
def test_no_text_costs_more_tokens_than_estimated():
    texts = wild_texts()
    dearer = [
        (text[:40], tokens, estimate_tokens(text))
        for text, tokens in zip(texts, count(texts), strict=True)
        if tokens > estimate_tokens(text)
    ]
    assert dearer == []
