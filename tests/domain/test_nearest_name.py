"""The known names that are nearest to a mistyped name."""

from __future__ import annotations

from mcp_truto_lms.domain.nearest_name import nearest_names


def test_a_mistyped_word_is_near_the_intended_word():
    assert nearest_names("salse", ["sales", "support", "legal"], limit=5) == ["sales"]


def test_an_empty_name_and_an_empty_list_of_names_have_no_nearest_name():
    assert nearest_names("", ["sales"], limit=5) == []
    assert nearest_names("x", [], limit=5) == []


def test_at_most_limit_names_are_returned():
    known = [f"security {number}" for number in range(10, 99)]
    assert len(nearest_names("security 2", known, limit=5)) == 5
