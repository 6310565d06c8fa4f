"""The kinds of values that arguments take: each has one parser, one JSON Schema and one form on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeVar

from mcp_truto_lms.domain.columns import Columns
from mcp_truto_lms.domain.days import parse_day
from mcp_truto_lms.domain.definitions import State
from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.query.parsing import (
    only_value,
    parse_bool,
    parse_columns,
    parse_cursor,
    parse_groups,
    parse_limit,
    parse_percent,
    parse_single,
    parse_sort,
    parse_states,
    parse_statuses,
    parse_summary_sort,
    parse_terms,
    parse_users,
)
from mcp_truto_lms.query.vocabulary import MAX_LIMIT, Format, is_offered
from mcp_truto_lms.query.where import parse_where

Schema = dict[str, Any]
_Enum = TypeVar("_Enum", bound=StrEnum)


def _say(value: object) -> str:
    return str(value)


ALL = frozenset({"all", "any", "*"})
EVERYONE = ALL | {"everyone", "everybody"}
ZERO = ALL | {"0", "0.0", "0%"}
NONE = frozenset[str]()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueKind:
    """What an argument takes.

    Args:
        title: for the documentation
        metavar: of the command line
        parse: from what a caller writes, where some columns are offered
        schema: the JSON Schema, where some columns are offered
        description: published once, with the first argument of this kind
        repeats: whether the command line takes several values
        is_switch: whether the command line takes no value
        may_start_with_dash: whether a value on the command line may, as `-3m`
        resolution: what a report resolves the value to; None leaves it as it is
        say: prints an unresolved value in the first line of an answer
        first_line_position: orders the filters in the first line
        absent_words: values, in lower case, that hosts and models write for "not given"; a value of 0 selects nothing
            that a caller could mean
        filled_in_words: values that are absent as well, but only beside an argument that is absent or has its default:
            a host that fills in one fills in all. Without such an argument they are values
    """

    title: str
    metavar: str
    parse: Callable[[object, Columns], Any]
    schema: Callable[[Columns], Schema]
    description: str = ""
    repeats: bool = False
    is_switch: bool = False
    may_start_with_dash: bool = False
    resolution: Literal["ids", "instant", "dimensions"] | None = None
    say: Callable[[Any], str] = _say
    first_line_position: int = 0
    absent_words: frozenset[str] = ALL
    filled_in_words: frozenset[str] = frozenset()


def _text(_: Columns) -> Schema:
    return {"type": "string"}


def _texts(_: Columns) -> Schema:
    return {"items": {"type": "string"}, "type": "array"}


def _members(enum: type[_Enum], columns: Columns) -> Schema:
    offered = [member for member in enum if is_offered(member, columns)]
    return {"items": {"enum": offered, "type": "string"}, "type": "array"}


def _column_list(columns: Columns) -> Schema:
    known = {"enum": [*columns.known], "type": "string"}
    return {"items": {"anyOf": [known, {"type": "string"}]}, "type": "array"}


def _object(_: Columns) -> Schema:
    """Describe an object that takes any key: with one property at least, and without a boolean, as hosts need it."""
    text = {"type": "string"}
    return {
        "additionalProperties": {"description": "A value or a list"},
        "properties": {"team": {"anyOf": [text, {"items": text, "type": "array"}]}},
        "type": "object",
    }


STATES = ValueKind(
    title="states",
    metavar="STATE",
    parse=parse_states,
    schema=lambda columns: _members(State, columns),
    repeats=True,
    say=lambda states: " or ".join(state for state in states if state is not State.NOT_ENROLLED),
)
STATUSES = ValueKind(
    title="statuses",
    metavar="STATUS",
    parse=parse_statuses,
    schema=lambda columns: _members(EnrollmentStatus, columns),
    repeats=True,
    say=" or ".join,
    first_line_position=1,
)
FLAG = ValueKind(
    title="yes or no; `true` and `false` as well, but a bare `false` beside other filled-in defaults is not given",
    metavar="YES|NO",
    parse=lambda value, _: parse_bool(value, words="yes or no"),
    schema=lambda _: {"enum": ["yes", "no"], "type": "string"},
    say=lambda flag: "" if flag else "not ",
    first_line_position=2,
    filled_in_words=frozenset({"false", "0"}),
)
SWITCH = ValueKind(
    title="true or false",
    metavar="",
    parse=lambda value, _: parse_bool(value),
    schema=lambda _: {"type": "boolean"},
    is_switch=True,
    absent_words=NONE,
)
USERS = ValueKind(
    title="people",
    metavar="NAME",
    parse=parse_users,
    schema=_texts,
    repeats=True,
    resolution="ids",
    first_line_position=3,
    absent_words=EVERYONE,
)
COURSES = ValueKind(
    title="courses",
    metavar="TITLE",
    parse=lambda value, _: parse_terms(value),
    schema=_texts,
    repeats=True,
    resolution="ids",
    first_line_position=3,
    absent_words=EVERYONE,
)
DIMENSION_VALUES = ValueKind(
    title="an object of keys and values",
    metavar="KEY=VALUE",
    parse=lambda value, _: parse_where(value),
    schema=_object,
    repeats=True,
    resolution="dimensions",
    first_line_position=4,
)
DAY = ValueKind(
    title="a day",
    metavar="DAY",
    parse=lambda value, _: parse_day(only_value(value)),
    schema=_text,
    description="2026-11-01, today, +14d or -3m; inclusive",
    may_start_with_dash=True,
    resolution="instant",
    first_line_position=5,
)
PERCENT = ValueKind(
    title="a percentage",
    metavar="PERCENT",
    parse=lambda value, _: parse_percent(value),
    schema=lambda _: {"type": "number", "maximum": 100, "minimum": 0},
    say=lambda percent: f"{percent:g}",
    first_line_position=6,
    absent_words=ZERO,
)
COLUMN_LIST = ValueKind(
    title="columns", metavar="COLUMN", parse=parse_columns, schema=_column_list, repeats=True, absent_words=NONE
)
EXCLUDED_COLUMN_LIST = ValueKind(
    title="columns", metavar="COLUMN", parse=parse_columns, schema=_texts, repeats=True, absent_words=NONE
)
SORT = ValueKind(title="a column", metavar="COLUMN", parse=parse_sort, schema=_text, may_start_with_dash=True)
SUMMARY_SORT = ValueKind(
    title="a column of the summary",
    metavar="COLUMN",
    parse=parse_summary_sort,
    schema=_text,
    may_start_with_dash=True,
)
GROUPS = ValueKind(title="groupings", metavar="WHAT", parse=parse_groups, schema=_texts, repeats=True)
LIMIT = ValueKind(
    title="a number",
    metavar="NUMBER",
    parse=lambda value, _: parse_limit(value),
    schema=lambda _: {"maximum": MAX_LIMIT, "minimum": 1, "type": "integer"},
    absent_words=ZERO,
)
CURSOR = ValueKind(
    title="a cursor", metavar="", parse=lambda value, _: parse_cursor(value), schema=_text, absent_words=NONE
)
FORMAT = ValueKind(
    title="a format",
    metavar="FORMAT",
    parse=lambda value, _: parse_single(Format, value, "format"),
    schema=lambda _: {"enum": [*Format], "type": "string"},
)
