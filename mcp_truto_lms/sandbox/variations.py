"""How this portal differs from the next one: everything that a client must bear, as one frozen value.

The default is the portal of TalentLMS's own documents. Each field is a difference that was seen in real answers, or
that nobody outside knows, so that a client can be tested against both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Variations:
    """The portal's variations.

    Args:
        language: English, Greek or German; None is the organisation's own
        date_format: DDMMYYYY, MMDDYYYY or YYYYMMDD; None is the organisation's own
        am_pm: dates with a 12-hour clock
        null_instead_of_empty: null where there is nothing, not ""
        no_date: what stands for no date, unless it is null; seen are "", "0", "-" and "Never"
        numbers_as_numbers: ids, percentages and timestamps as JSON numbers
        without_total_time_seconds: only the text, as in older portals
        percent_missing: no percentage where nothing was attempted
        lists_as_objects: courses and users of an answer as an object, as PHP prints a filtered list
        failed_sets_completed_on: a failed course has a completion date
        paging_ignored: every page of users is all of them
        zone_in_siteinfo: siteinfo names the portal's zone and language
        errors_with_200: an error in the body of a successful answer
        default_page_size: of users, where none is asked for
        max_page_size: of users, whatever is asked for
        hourly_limit: calls an hour
        exhausted_status: how a used-up hour is answered; with 400 and 403 only the message tells
        burst_limit: calls within `burst_seconds`
    """

    language: str | None = None
    date_format: str | None = None
    am_pm: bool = False
    null_instead_of_empty: bool = False
    no_date: str = ""
    numbers_as_numbers: bool = False
    without_total_time_seconds: bool = False
    percent_missing: bool = False
    lists_as_objects: bool = False
    failed_sets_completed_on: bool = False
    paging_ignored: bool = False
    zone_in_siteinfo: bool = True
    errors_with_200: bool = False
    default_page_size: int = 20
    max_page_size: int = 1000
    hourly_limit: int = 2000
    exhausted_status: Literal[429, 400, 403] = 429
    burst_limit: int = 200
    burst_seconds: float = 5.0
