"""The options of the Truto sandbox: the behaviour that Truto's documentation leaves open, as one frozen value.

The default is the most restrictive known behaviour: pairs only, both rate limits, remote data as the provider sent it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from mcp_truto_lms.sandbox.truto_faults import LIMIT_REFUSED, NOT_ENROLLED, TrutoFault


@dataclass(frozen=True, slots=True)
class TrutoOptions:
    """The options of the service; they may be replaced while it runs.

    Args:
        pair_required: course enrollments require `user[id]` and `course[id]`; False also lists all, or by either
        remote_data: records carry the provider's payload; without it they have no rosters and transcripts
        remote_secrets: remote data holds the provider's one-click logins and signed addresses, as in reality
        proxy: the provider's own bodies are available at `/proxy`
        rate_limits: both limits apply; False allows any number of requests
        token_limit: requests of a token within `limit_seconds`
        account_limit: requests for an integrated account within `limit_seconds`
        limit_seconds: the width of both windows
        rate_headers: responses report the remaining requests for the account
        not_enrolled: a pair that is not enrolled is an empty result, or `not_enrolled_error`
        not_enrolled_error: what the provider says of a pair that is not enrolled
        pair_refusal: what every pair is refused with; None where pairs are answered
        largest_limit: a larger limit is refused with `limit_refusal`; 0 refuses any limit, None none
        limit_refusal: how a limit is refused
        original_in: where a remote error holds the provider's answer
        conditionally_required: every error tells which parameters are conditionally required
        wrong_records: which record is answered instead of another, such as `{"courses:301": "300"}`
        roles: enrollments tell the role in the course
        names: enrollments name their user and course; False for ids alone
        last_cursor: the `next_cursor` of a last page
        default_page_size: the size of a page if no limit is given
        max_page_size: the largest size of a page
    """

    pair_required: bool = True
    remote_data: bool = True
    remote_secrets: bool = True
    proxy: bool = True
    rate_limits: bool = True
    token_limit: int = 500
    account_limit: int = 50
    limit_seconds: float = 10.0
    rate_headers: bool = True
    not_enrolled: Literal["empty", "error"] = "empty"
    not_enrolled_error: TrutoFault = NOT_ENROLLED
    pair_refusal: TrutoFault | None = None
    largest_limit: int | None = None
    limit_refusal: TrutoFault = LIMIT_REFUSED
    original_in: Literal["raw_response", "details", "both"] = "raw_response"
    conditionally_required: bool = False
    wrong_records: Mapping[str, str] = field(default_factory=lambda: MappingProxyType[str, str]({}))
    roles: bool = True
    names: bool = True
    last_cursor: Literal["null", "absent", "empty"] = "null"
    default_page_size: int = 50
    max_page_size: int = 100


STRICT = TrutoOptions()
PERMISSIVE = TrutoOptions(pair_required=False)
