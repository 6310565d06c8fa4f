from datetime import UTC, date, datetime
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.providers.truto.query_string import encode_parameters


@pytest.mark.parametrize(
    ("parameters", "pairs"),
    [
        ({"limit": 10}, [("limit", "10")]),
        ({"is_active": True, "x": False}, [("is_active", "true"), ("x", "false")]),
        ({"user": {"id": "7"}, "course": {"id": 12}}, [("user[id]", "7"), ("course[id]", "12")]),
        (
            {"truto_exclude_fields": ["score", "urls"]},
            [("truto_exclude_fields[]", "score"), ("truto_exclude_fields[]", "urls")],
        ),
        ({"remote_query": {"foo": [{"bar": "baz"}]}}, [("remote_query[foo][][bar]", "baz")]),
        ({"remote_query": {"a": {"b": {"c": 1.5}}}}, [("remote_query[a][b][c]", "1.5")]),
        (
            {"created_at": {"gte": datetime(2026, 11, 1, tzinfo=UTC)}},
            [("created_at[gte]", "2026-11-01T00:00:00+00:00")],
        ),
        ({"created_at": {"lt": date(2026, 11, 1)}}, [("created_at[lt]", "2026-11-01")]),
        ({"next_cursor": None, "fields": [], "user": {}}, []),
        ({"q": ""}, [("q", "")]),
    ],
)
def test_parameters_are_written_with_brackets(parameters, pairs):
    assert encode_parameters(parameters) == pairs


@pytest.mark.parametrize(
    "parameters", [{"a[b": 1}, {"a": {"b]": 1}}, {"": 1}, {"a": {1: 2}}, {"a": object()}, {"a": b"x"}]
)
def test_what_a_query_string_cannot_hold_is_refused(parameters):
    with pytest.raises(ValueError, match="query string"):
        encode_parameters(parameters)


def decoded(pairs):
    """Read bracketed pairs back, as Rack and qs do: `[]` appends, a key that is there again begins a new item."""
    found = {}
    for name, value in pairs:
        first, _, rest = name.partition("[")
        put(found, [first, *(part.rstrip("]") for part in rest.split("[") if rest)], value)
    return found


def put(place, path, value):
    key, *rest = path
    if not rest:
        place[key] = value
    elif rest[0] != "":
        put(place.setdefault(key, {}), rest, value)
    else:
        items = place.setdefault(key, [])
        if len(rest) == 1:
            items.append(value)
            return
        if not items or holds(items[-1], rest[1:]):
            items.append({})
        put(items[-1], rest[1:], value)


def holds(place, path):
    for part in path:
        if not isinstance(place, dict) or part not in place:
            return False
        place = place[part]
    return True


names = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), min_size=1, max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    texts,
    lambda inner: st.one_of(
        st.lists(texts, min_size=1, max_size=3),
        st.dictionaries(names, inner, min_size=1, max_size=3),
        st.tuples(names, st.lists(texts, min_size=1, max_size=3)).map(lambda one: [{one[0]: text} for text in one[1]]),
    ),
    max_leaves=8,
)


@given(st.dictionaries(names, values, max_size=4))
def test_what_is_written_can_be_read_back_from_the_address(parameters):
    url = httpx.URL("https://truto.example/x", params=encode_parameters(parameters))
    read = parse_qsl(url.query.decode(), keep_blank_values=True, strict_parsing=bool(parameters))
    assert decoded(read) == parameters
