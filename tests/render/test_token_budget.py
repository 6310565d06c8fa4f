"""Token estimates are never too low, and clipped texts and lines fit into their budget."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.tokens import count
from mcp_truto_lms.render.token_budget import clip_to_tokens, estimate_tokens, take_within_budget
from tests.render.test_cells import HOSTILE


@given(HOSTILE)
def test_an_estimate_is_at_most_one_token_a_byte(text: str):
    assert estimate_tokens(text) <= len(text.encode(errors="surrogatepass"))


@given(HOSTILE, HOSTILE)
def test_an_estimate_grows_with_the_text(first: str, second: str):
    assert estimate_tokens(first) <= estimate_tokens(first + second)


@given(HOSTILE, st.integers(3, 60))
def test_a_clipped_text_fits_into_its_tokens(text: str, tokens: int):
    clipped = clip_to_tokens(text, tokens)
    assert estimate_tokens(clipped) <= tokens
    assert clipped == text or (clipped.endswith("…") and text.startswith(clipped[:-1]))


def test_clipping_to_less_than_an_ellipsis_gives_an_empty_text():
    assert clip_to_tokens("Jane Doe", 2) == ""
    assert clip_to_tokens("Jane Doe", -5) == ""


@given(st.lists(HOSTILE, max_size=20), st.integers(0, 200))
def test_the_first_whole_lines_within_the_budget_are_fitting(lines: list[str], budget: int):
    fitting = take_within_budget(lines, budget)
    assert fitting == lines[: len(fitting)]
    assert sum(estimate_tokens(line) + 1 for line in fitting) <= budget
    if len(fitting) < len(lines):
        assert sum(estimate_tokens(line) + 1 for line in lines[: len(fitting) + 1]) > budget


def wild_texts() -> list[str]:
    """Make texts of every kind that a column can hold, above all those that cost many tokens."""
    rng = random.Random(2026)
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
    texts = ["".join(rng.choices(alphabet, k=length)) for alphabet in alphabets for length in (1, 2, 3, 5, 9, 40, 300)]
    texts += ["".join(rng.choices("bcdfghlmnprstvwy", k=length)) for length in (4, 7, 10) for _ in range(700)]
    texts += ["".join(chr(rng.randrange(32, 0xD7FF)) for _ in range(80)) for _ in range(50)]
    texts += [",".join(f"20{rng.randrange(10, 99)}-11-{rng.randrange(10, 31)}" for _ in range(8))]
    texts += [
        text * 40 for text in ("gq", "qj", "aB", "Zz", "a ", " a", "\n", " ", "1a", "1,", "a1b", "½1", "'s", "xq ")
    ]
    return texts


@pytest.mark.node
def test_no_text_costs_more_tokens_than_estimated():
    texts = wild_texts()
    underestimated = [
        (text[:40], tokens, estimate_tokens(text))
        for text, tokens in zip(texts, count(texts), strict=True)
        if tokens > estimate_tokens(text)
    ]
    assert underestimated == []
