"""Cursors and query strings with any input."""

from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.unified_api.cursor import START, CursorCodec, Position
from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.parameters import parse_list_request
from mcp_truto_lms.unified_api.query_string import QueryString
from mcp_truto_lms.unified_api.serialization import exclude_fields, key_of

CURSORS = CursorCodec(b"key")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
positions = st.builds(Position, texts, texts, texts)


@given(positions, texts)
def test_a_decoded_cursor_is_the_encoded_position(position, listing):
    assert CURSORS.decode(CURSORS.encode(position, listing=listing), listing=listing) == position


@given(positions, texts, texts)
def test_a_cursor_is_refused_by_another_listing_and_by_another_endpoint(position, listing, other_listing):
    cursor = CURSORS.encode(position, listing=listing)
    if listing != other_listing:
        with pytest.raises(ApiError):
            CURSORS.decode(cursor, listing=other_listing)
    with pytest.raises(ApiError):
        CursorCodec(b"another").decode(cursor, listing=listing)


@given(positions, st.data())
def test_a_changed_cursor_is_refused(position, data):
    cursor = CURSORS.encode(position, listing="l")
    index = data.draw(st.integers(0, len(cursor) - 2))  # the last character may hold unused bits
    replacement = data.draw(st.sampled_from("ABCDwxyz0189-_").filter(lambda letter: letter != cursor[index]))
    with pytest.raises(ApiError):
        CURSORS.decode(cursor[:index] + replacement + cursor[index + 1 :], listing="l")


@given(st.text(max_size=200))
def test_any_other_text_is_refused_as_a_cursor(text):
    with pytest.raises(ApiError):
        CURSORS.decode(text, listing="l")


@given(st.lists(positions))
def test_positions_have_a_total_order_that_begins_at_the_start(positions_drawn):
    keys = {position.sort_key for position in positions_drawn}
    assert all(START.sort_key <= key for key in keys)
    assert len(keys) == len(set(positions_drawn))


def test_numeric_ids_are_ordered_as_numbers():
    ids = ["10", "9", "a", "", "100", "B", "009"]
    assert sorted(ids, key=lambda record_id: Position(record_id).sort_key) == ["", "009", "9", "10", "100", "B", "a"]


@given(st.text(max_size=300))
def test_any_query_string_is_parsed_or_refused(text):
    with suppress(ApiError):
        assert parse_list_request(QueryString(text)).account_id


@given(st.lists(st.from_regex(r"[a-z_]{1,12}(\.[a-z_]{1,12}){0,2}", fullmatch=True), unique=True, max_size=6))
def test_an_array_is_parsed_alike_in_every_notation(values):
    forms = [
        urlencode([("f[]", value) for value in values]),
        urlencode([(f"f[{index}]", value) for index, value in enumerate(values)]),
        urlencode([("f", value) for value in values]),
        urlencode([("f", ",".join(values))]),
    ]
    assert {QueryString(form).array("f") for form in forms} == {tuple(values)}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.lists(st.sampled_from(["a", "b", "a.b", "c.a.b", "", "."]), max_size=3))
def test_excluding_fields_never_fails_and_does_not_change_the_record(value, paths):
    before = repr(value)
    exclude_fields(value, paths)
    assert repr(value) == before


@pytest.mark.parametrize(("value", "key"), [(45.0, "45"), (33.5, "33.5"), (True, "true"), (7, "7"), ("a", "a")])
def test_a_key_is_formatted_as_plain_text(value, key):
    assert key_of({"a": {"b": value}}, "a.b") == key
