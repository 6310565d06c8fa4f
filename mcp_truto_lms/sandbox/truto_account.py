"""What an integrated account can do: the two routes by which a client finds out before it asks."""

from __future__ import annotations

from typing import Any

from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.sandbox.truto_options import TrutoOptions
from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.parameters import ResponseFormat

Json = dict[str, Any]


def capabilities(asked: str, account_id: str) -> Json:
    """Tell which resources an account has, and how they can be read.

    Raises:
        ApiError: there is no such account.
    """
    if asked != account_id:
        raise ApiError(404, "Integrated account not found")
    methods = {"users": ["list", "get"], "courses": ["list", "get"], "course-enrollments": ["list"]}
    return {
        "integrated_account_id": account_id,
        "integration": "talentlms",
        "unified": {"lms": {resource: {"methods": known} for resource, known in methods.items()}},
    }


def list_schema(options: TrutoOptions) -> Json:
    """Tell what a list of course enrollments takes, and which filters it cannot do without."""
    identifier = {"type": "object", "properties": {"id": {"type": "string", "required": options.pair_required}}}
    return {
        "resource": "course-enrollments",
        "method": "list",
        "query_schema": {
            "integrated_account_id": {"type": "string", "required": True},
            "truto_response_format": {"type": "string", "enum": list(ResponseFormat)},
            "truto_key_by": {"type": "string"},
            "truto_ignore_limit": {"type": "boolean"},
            "truto_ignore_remote_data": {"type": "boolean"},
            "truto_exclude_fields": {"type": "array", "items": {"type": "string"}},
            "remote_query": {"type": "object"},
            "user": {**identifier, "required": options.pair_required},
            "course": {**identifier, "required": options.pair_required},
        },
        "response_schema": {"status": {"type": "string", "enum": list(EnrollmentStatus)}},
    }
