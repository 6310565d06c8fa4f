"""How this Truto differs from the next one: what its documentation leaves open, as one frozen value.

The default is the hardest of what is known: pairs only, both rate tiers, remote data as the provider sent it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TrutoOptions:
    """The service's variations; may be replaced while it runs.

    Args:
        pair_required: course enrollments need `user[id]` and `course[id]`; False lists them all, and by either
        remote_data: records carry what the provider sent; False takes the rosters and transcripts away with it
        remote_secrets: remote data holds the provider's one-click logins and signed addresses, as a real one does
        proxy: the provider's own bodies can be asked for at `/proxy`
        rate_limits: both tiers count; False is as many requests as one likes
        token_limit: requests of a token within `limit_seconds`
        account_limit: requests for an integrated account within `limit_seconds`
        limit_seconds: the width of both windows
        rate_headers: answers tell what is left of the account's tier
        not_enrolled: a pair that is none is an empty result, or a 404 from the provider
        names: enrollments name their user and course; False is ids alone
        last_cursor: how a last page says that it is one
        default_page_size: where no limit is asked for
        max_page_size: whatever limit is asked for
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
    names: bool = True
    last_cursor: Literal["null", "absent", "empty"] = "null"
    default_page_size: int = 50
    max_page_size: int = 100


STRICT = TrutoOptions()
PERMISSIVE = TrutoOptions(pair_required=False)
