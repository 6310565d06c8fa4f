"""The variations of a portal that a client must handle, as one frozen value.

The default is the portal of TalentLMS's own documents. Each field is a difference that was observed in real responses,
or that the documents leave open, so that a client can be tested with both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Variations:
    """The portal's variations.

    Args:
        language: English, Greek or German; None for the organisation's own
        date_format: DDMMYYYY, MMDDYYYY or YYYYMMDD; None for the organisation's own
        am_pm: dates with a 12-hour clock
        null_instead_of_empty: null for an empty field, not ""
        no_date: the text of an empty date; observed are "", "0", "-" and "Never"
        numbers_as_numbers: ids, percentages and timestamps as JSON numbers
        without_total_time_seconds: only the text, as in older portals
        percent_missing: no percentage for a course that was not attempted
        lists_as_objects: courses and users as an object, as PHP encodes a filtered list
        failed_sets_completed_on: a failed course has a completion date
        paging_ignored: every page of users has all users
        zone_in_siteinfo: siteinfo names the portal's zone and language; none that was observed does
        date_format_in_siteinfo: siteinfo has the order of dates
        printed_dates_alone: dates of completion and of the end of access have no timestamp
        unlisted_courses: how many more courses siteinfo counts than the list has
        unreadable_ids: courses that are listed, and answered with 404
        swapped_ids: courses and people that are answered with the body of another one, as by a cache on the way
        unusable_rows: rosters and transcripts have rows without a usable id
        duplicated_rows: rosters and transcripts also have an earlier enrollment of every pair
        errors_with_200: an error in the body of a response with status 200
        pages_every_list: courses, branches, groups and categories are paged like users, and not returned whole
        default_page_size: items on a page if no size is given
        max_page_size: the largest number of items on a page
        refused_page_size: the smallest size of a page that is refused; None if every size is accepted
        past_the_end: how a page after the last one is answered: an empty list, or an error with this status
        hourly_limit: calls an hour
        exhausted_status: the status after the hourly limit; with 400 and 403 only the message names it
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
    date_format_in_siteinfo: bool = True
    printed_dates_alone: bool = False
    unlisted_courses: int = 0
    unreadable_ids: frozenset[str] = frozenset()
    swapped_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    unusable_rows: bool = False
    duplicated_rows: bool = False
    errors_with_200: bool = False
    pages_every_list: bool = False
    default_page_size: int = 20
    max_page_size: int = 1000
    refused_page_size: int | None = None
    past_the_end: Literal["empty", 400, 404] = "empty"
    hourly_limit: int = 2000
    exhausted_status: Literal[429, 400, 403] = 429
    burst_limit: int = 200
    burst_seconds: float = 5.0
