"""The query parameters of the list and get endpoints, under the names of Truto's reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, get_args

ResponseFormat = Literal["unified", "raw", "normalized", "stream"]
RESPONSE_FORMATS = frozenset[str](get_args(ResponseFormat))


class GetParameters(TypedDict, total=False):
    """The parameters of a get.

    - `truto_response_format`: `unified` (mapped; the default), `raw` (the provider's own body), `normalized`
    - `truto_ignore_remote_data`: omit `remote_data`
    - `truto_exclude_fields`: fields to omit
    - `remote_query`: passed to the provider unchanged, such as `{"page_size": 100}`; objects and lists may nest
    """

    truto_response_format: ResponseFormat
    truto_ignore_remote_data: bool
    truto_exclude_fields: Sequence[str]
    remote_query: Mapping[str, Any]


class ListParameters(GetParameters, total=False):
    """The parameters of a list, in addition to those of a get.

    - `limit`: the number of objects on a page
    - `truto_ignore_limit`: ignore `limit`
    - `next_cursor`: the cursor of the page before
    - `truto_key_by`: return `result` as an object, keyed by this field
    """

    limit: int
    truto_ignore_limit: bool
    next_cursor: str | None
    truto_key_by: str


class EnrollmentParameters(ListParameters, total=False):
    """The parameters of the list of course enrollments, in addition to those of any list.

    - `user`: the learner, such as `{"id": "7"}`
    - `course`: the course, such as `{"id": "12"}`
    """

    user: Mapping[str, Any]
    course: Mapping[str, Any]


def check_parameters(allowed: type, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters; raise for those that a type checker would reject.

    Raises:
        TypeError: a parameter is unknown.
        ValueError: the response format is unknown. Truto's `debug` is refused, because it echoes credentials.
    """
    names: frozenset[str] = allowed.__dict__["__optional_keys__"]
    for name in parameters:
        if name not in names:
            raise TypeError(f"there is no parameter {name!r}, only {', '.join(sorted(names))}")
    response_format = parameters.get("truto_response_format")
    if response_format is not None and response_format not in RESPONSE_FORMATS:
        formats = ", ".join(sorted(RESPONSE_FORMATS))
        raise ValueError(f"there is no response format {response_format!r}, only {formats}")
    return parameters
