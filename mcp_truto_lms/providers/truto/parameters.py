"""The query parameters of the list and get endpoints, under the names of Truto's reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

ResponseFormat = Literal["unified", "raw", "normalized", "stream"]
RESPONSE_FORMATS = frozenset({"unified", "raw", "normalized", "stream"})


class GetParameters(TypedDict, total=False):
    """What a get takes.

    - `truto_response_format`: `unified` (mapped; the default), `raw` (the provider's own body), `normalized`
    - `truto_ignore_remote_data`: leave `remote_data` out
    - `truto_exclude_fields`: fields to leave out
    - `remote_query`: passed to the provider as it is, such as `{"page_size": 100}`; objects and lists may nest
    """

    truto_response_format: ResponseFormat
    truto_ignore_remote_data: bool
    truto_exclude_fields: Sequence[str]
    remote_query: Mapping[str, Any]


class ListParameters(GetParameters, total=False):
    """What a list takes, besides what a get takes.

    - `limit`: objects a page
    - `truto_ignore_limit`: whatever `limit` says
    - `next_cursor`: of the page before
    - `truto_key_by`: makes `result` an object, keyed by this field
    """

    limit: int
    truto_ignore_limit: bool
    next_cursor: str | None
    truto_key_by: str


class EnrollmentParameters(ListParameters, total=False):
    """What the list of course enrollments takes, besides what any list takes.

    - `user`: whose enrollments, such as `{"id": "7"}`
    - `course`: which course's, such as `{"id": "12"}`
    """

    user: Mapping[str, Any]
    course: Mapping[str, Any]


def checked(known: type, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse what a type checker would have refused.

    Raises:
        TypeError: there is no such parameter.
        ValueError: there is no such response format. `debug` is one of Truto's, and is refused: it echoes credentials.
    """
    names: frozenset[str] = known.__dict__["__optional_keys__"]
    for name in parameters:
        if name not in names:
            raise TypeError(f"there is no parameter {name!r}, only {', '.join(sorted(names))}")
    wanted = parameters.get("truto_response_format")
    if wanted is not None and wanted not in RESPONSE_FORMATS:
        raise ValueError(f"there is no response format {wanted!r}, only {', '.join(sorted(RESPONSE_FORMATS))}")
    return parameters
