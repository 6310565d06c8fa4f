import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.errors import UnexpectedAnswer
from mcp_truto_lms.providers.truto import streaming
from mcp_truto_lms.providers.truto.streaming import ItemStreamParser

FRAMINGS = {
    "a line each": lambda items: "".join(json.dumps(item) + "\n" for item in items),
    "no separators": lambda items: "".join(json.dumps(item) for item in items),
    "record separators": lambda items: "".join("\x1e" + json.dumps(item) + "\n" for item in items),
    "events": lambda items: "".join(f"event: item\nid: 1\ndata: {json.dumps(item)}\n\n" for item in items),
    "an array": lambda items: json.dumps(items),
    "an indented array": lambda items: json.dumps(items, indent=2),
    "an envelope": lambda items: json.dumps({"result": items, "next_cursor": None, "result_count": 123}),
    "an envelope, result last": lambda items: json.dumps({"next_cursor": None, "n": 1, "result": items}),
    "a keyed envelope": lambda items: json.dumps({"result": dict(enumerate(items))}),
    "an envelope a line": lambda items: "".join(json.dumps({"result": [item]}) + "\n" for item in items),
    "pages in an array": lambda items: json.dumps([{"result": [item], "next_cursor": None} for item in items]),
}


def parse_in_chunks(body, size):
    parser = ItemStreamParser()
    items = [item for start in range(0, len(body), size) for item in parser.feed(body[start : start + size])]
    parser.finish()
    return items, parser.rest


records = st.fixed_dictionaries(
    {"id": st.text(max_size=6)},
    optional={
        "name": st.text(max_size=8),
        "score": st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
        "user": st.dictionaries(st.text(max_size=4), st.lists(st.integers(), max_size=3), max_size=2),
    },
)


@pytest.mark.parametrize("framing", FRAMINGS)
@given(items=st.lists(records, max_size=5), size=st.integers(1, 50))
def test_every_framing_yields_the_same_items_in_chunks_of_any_size(framing, items, size):
    parsed, _ = parse_in_chunks(FRAMINGS[framing](items).encode(), size)
    assert parsed == items


def test_the_other_members_of_the_envelope_are_stored():
    body = b'{"is_partial_response": true, "result": [{"id": "1"}], "next_cursor": "abc", "result_count": 1}'
    for size in (1, 7, 1000):
        assert parse_in_chunks(body, size) == (
            [{"id": "1"}],
            {"is_partial_response": True, "next_cursor": "abc", "result_count": 1},
        )


def test_the_last_line_may_hold_the_cursor_alone():
    assert parse_in_chunks(b'{"id":"1"}\n{"next_cursor":"x"}\n', 3) == ([{"id": "1"}], {"next_cursor": "x"})


def test_an_object_without_id_and_result_is_an_item():
    assert parse_in_chunks(b'{"name":"a"}\n{}\n{"id":"2"}\n[]\nnull\n', 4)[0] == [{"name": "a"}, {}, {"id": "2"}]


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"1"}\n{"id":',
        b'[{"id":"1"},',
        b'[{"id":"1"}',
        b'{"result":[{"id":"1"}],"next_cursor":',
        b'{"result":[{"id":"1"}]',
        b'{"id":"1","name":"a\\',
        b'{"result"',
    ],
)
def test_a_cut_off_stream_is_an_error(body):
    for size in (1, 1000):
        with pytest.raises(UnexpectedAnswer, match="ended in the middle"):
            parse_in_chunks(body, size)


@pytest.mark.parametrize(
    "body",
    [b"<html><body>no</body></html>", b'{"id" "1", "more": 1}', b'{"result":[], "a" 5555555555555555}', b"[" * 99999],
)
def test_a_body_that_is_not_json_is_an_error(body):
    with pytest.raises(UnexpectedAnswer):
        parse_in_chunks(body, 100_000)


def test_a_value_over_the_size_limit_is_an_error(monkeypatch):
    monkeypatch.setattr(streaming, "MAX_BODY_BYTES", 100)
    parser = ItemStreamParser()
    assert list(parser.feed(b'{"id":"' + b"x" * 90)) == []
    with pytest.raises(UnexpectedAnswer, match="too large"):
        list(parser.feed(b"x" * 50))


def test_invalid_bytes_and_huge_numbers_are_parsed():
    items, _ = parse_in_chunks(b'\xef\xbb\xbf{"id":"\xff","n":' + b"9" * 5000 + b"}\n", 100)
    assert items == [{"id": "\ufffd", "n": float("inf")}]
