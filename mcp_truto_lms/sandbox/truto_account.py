"""The two endpoints that describe an integrated account: its capabilities, and the parameters of its list."""

from __future__ import annotations

from typing import Any

from mcp_truto_lms.domain.model import EnrollmentStatus
from mcp_truto_lms.sandbox.truto_options import TrutoOptions
from mcp_truto_lms.unified_api.errors import ApiError
from mcp_truto_lms.unified_api.parameters import ResponseFormat

Json = dict[str, Any]


def account_capabilities(requested_id: str, account_id: str, options: TrutoOptions) -> Json:
    """Return the state of an account and, by each API, its resources with the methods of each.

    Raises:
        ApiError: the account does not exist.
    """
    if requested_id != account_id:
        raise ApiError(404, "Integrated account not found")
    methods = {"users": ["list", "get"], "courses": ["list", "get"], "course-enrollments": ["list"]}
    proxied = ("users", "courses") if options.proxy else ()
    return {
        "account": {"id": account_id, "integration": "talentlms", "status": "active", "is_blocked": False},
        "unified": [{"model": "lms", "resource": resource, "methods": names} for resource, names in methods.items()],
        "proxy": [{"resource": resource, "methods": methods[resource]} for resource in proxied],
    }


def list_schema(options: TrutoOptions) -> Json:
    """Return the parameters of the list of course enrollments, and which of them it requires."""
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
