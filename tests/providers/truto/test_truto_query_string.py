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
def test_values_that_a_query_string_cannot_hold_are_refused(parameters):
    with pytest.raises(ValueError, match="query string"):
        encode_parameters(parameters)


def decode(pairs):
    """Decode bracketed pairs as Rack and qs do: `[]` appends, and a repeated key starts a new item."""
    parameters = {}
    for name, value in pairs:
        base_name, _, rest = name.partition("[")
        put_value(parameters, [base_name, *(part.rstrip("]") for part in rest.split("[") if rest)], value)
    return parameters


def put_value(container, path, value):
    key, *rest = path
    if not rest:
        container[key] = value
    elif rest[0] != "":
        put_value(container.setdefault(key, {}), rest, value)
    else:
        items = container.setdefault(key, [])
        if len(rest) == 1:
            items.append(value)
            return
        if not items or has_path(items[-1], rest[1:]):
            items.append({})
        put_value(items[-1], rest[1:], value)


def has_path(container, path):
    for key in path:
        if not isinstance(container, dict) or key not in container:
            return False
        container = container[key]
    return True


names = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), min_size=1, max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    texts,
    lambda inner: st.one_of(
        st.lists(texts, min_size=1, max_size=3),
        st.dictionaries(names, inner, min_size=1, max_size=3),
        st.tuples(names, st.lists(texts, min_size=1, max_size=3)).map(
            lambda entry: [{entry[0]: text} for text in entry[1]]
        ),
    ),
    max_leaves=8,
)


@given(st.dictionaries(names, values, max_size=4))
def test_encoded_parameters_can_be_decoded_from_the_url(parameters):
    url = httpx.URL("https://truto.example/x", params=encode_parameters(parameters))
    pairs = parse_qsl(url.query.decode(), keep_blank_values=True, strict_parsing=bool(parameters))
    assert decode(pairs) == parameters
