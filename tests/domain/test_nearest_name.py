"""The nearest known names for a mistyped one."""

from __future__ import annotations

from mcp_truto_lms.domain.nearest_name import nearest_names


def test_a_mistyped_word_is_near_the_word_that_was_meant():
    assert nearest_names("salse", ["sales", "support", "legal"], limit=5) == ["sales"]


def test_nothing_is_near_an_empty_name_and_nothing_is_near_among_no_names():
    assert nearest_names("", ["sales"], limit=5) == []
    assert nearest_names("x", [], limit=5) == []


def test_a_limit_bounds_how_many_names_are_returned():
    known = [f"security {number}" for number in range(10, 99)]
    assert len(nearest_names("security 2", known, limit=5)) == 5
