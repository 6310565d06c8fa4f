"""The JSON of TalentLMS v1 for an organisation.

The shapes are those of the vendor's documents, with their inconsistencies. A roster has short names and no status. A
pair has neither ids nor names, and a display word as its status. Creation dates have no timestamp. Secrets (the
one-click login, signed certificate addresses) are among the ordinary fields; those here are invented.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from mcp_truto_lms.sandbox.display import ValueFormatter, escape
from mcp_truto_lms.sandbox.index import OrganisationIndex
from mcp_truto_lms.sandbox.records import (
    Outcome,
    SampleBranch,
    SampleCategory,
    SampleCourse,
    SampleEnrollment,
    SampleGroup,
    SamplePerson,
)

Json = dict[str, Any]

SIGNATURE_MARK = "fakesignature"  # in every signed address, so that tests can search for a leak
LOGIN_KEY_MARK = "fakelogin"
GROUP_KEY_MARK = "fakegroupkey"
_UNUSABLE_IDS: tuple[Any, ...] = ("", None, True, {})


def _secret(mark: str, *parts: str) -> str:
    return mark + hashlib.sha256(":".join(parts).encode()).hexdigest()[:24]


def short_name(person: SamplePerson) -> str:
    """Abbreviate a name as rosters do: `D. Dummy`."""
    return f"{person.first_name[:1]}. {person.last_name}".strip()


def _earlier(enrollment: SampleEnrollment) -> SampleEnrollment:
    """Return an enrollment of the same pair, 100 days earlier and finished."""
    enrolled_on = enrollment.enrolled_on - 100 * 86_400
    return replace(
        enrollment, enrolled_on=enrolled_on, completed_on=enrolled_on + 60, outcome=Outcome.COMPLETED, percent=100
    )


class Payloads:
    """Returns the body of every endpoint, for records that exist."""

    def __init__(self, index: OrganisationIndex, printer: ValueFormatter) -> None:
        self._index = index
        self._formatter = printer
        self._variations = printer.variations
        self._portal = index.organisation.portal
        self._host = f"https://{self._portal.host}"

    def user(self, person: SamplePerson) -> Json:
        """Return a person as in the list of users."""
        formatter = self._formatter
        return {
            "id": formatter.number(person.id),
            "login": escape(person.login),
            "first_name": formatter.text(person.first_name),
            "last_name": formatter.text(person.last_name),
            "email": person.email,
            "restrict_email": "0",
            "user_type": person.user_type,
            "timezone": self._portal.zone_label,
            "language": formatter.language,
            "status": "active" if person.active else "inactive",
            "deactivation_date": formatter.empty
            if person.deactivated_on is None
            else formatter.date(person.deactivated_on),
            "level": "1",
            "points": "0",
            "credits": "0",
            "created_on": formatter.date(person.created_on),
            **formatter.moment("last_updated", person.updated_on),
            "avatar": f"{self._host}/images/avatars/{person.id}.png",
            "bio": formatter.text(person.bio) if person.bio else None,
            "login_key": f"{self._host}/index/autologin/key:{_secret(LOGIN_KEY_MARK, person.id)}",
            **{
                field.key: formatter.text(value)
                for field, value in zip(self._index.organisation.custom_fields, person.custom_fields, strict=True)
            },
        }

    def user_in_full(self, person: SamplePerson) -> Json:
        """Return a person with their transcript."""
        transcript = self._index.transcript(person.id)
        return {
            **self.user(person),
            "courses": self.as_list(self._rows(transcript, self._transcript_item)),
            "branches": self._ids_and_names(self._index.branches[branch_id] for branch_id in person.branch_ids),
            "groups": self._ids_and_names(self._index.groups[group_id] for group_id in person.group_ids),
            "certifications": [
                self._certification(enrollment, self._index.courses[enrollment.course_id], *certificate)
                for enrollment in transcript
                for certificate in self._certificates(enrollment)
            ],
            "badges": [],
        }

    def course(self, course: SampleCourse) -> Json:
        """Return a course as in the list of courses."""
        formatter = self._formatter
        return {
            "id": formatter.number(course.id),
            "name": formatter.text(course.name),
            "code": formatter.text(course.code),
            "category_id": formatter.number(course.category_id),
            "description": course.description,
            "price": "&#36;0.00",
            "status": course.status,
            "creation_date": formatter.date(course.created_on),
            "last_update_on": formatter.date(course.updated_on),
            "creator_id": formatter.number(course.creator_id),
            "hide_from_catalog": "0",
            "time_limit": formatter.number(course.time_limit_days),
            "start_datetime": None if course.opens_on is None else formatter.number(course.opens_on),
            "expiration_datetime": None if course.expires_on is None else formatter.number(course.expires_on),
            "level": formatter.empty,
            "shared": "0",
            "shared_url": formatter.empty,
            "avatar": f"{self._host}/images/courses/{course.id}.png",
            "certification": "Classic" if course.certificate else formatter.empty,
            "certification_duration": "Forever" if course.certificate else formatter.empty,
        }

    def course_in_full(self, course: SampleCourse) -> Json:
        """Return a course with its roster."""
        return {
            **self.course(course),
            "users": self.as_list(self._rows(self._index.roster(course.id), self._roster_item)),
            "units": [
                {
                    "id": self._formatter.number(unit.id),
                    "type": unit.type,
                    "name": self._formatter.text(unit.name),
                    "url": f"{self._host}/unit/view/id:{unit.id}",
                }
                for unit in course.units
            ],
            "rules": ["You must complete all content"],
            "prerequisites": [],
        }

    def pair(self, enrollment: SampleEnrollment) -> Json:
        """Return the progress of a person in a course, unit by unit."""
        units = self._index.courses[enrollment.course_id].units
        units_completed = (
            len(units) if enrollment.outcome is Outcome.COMPLETED else enrollment.percent * len(units) // 100
        )
        formatter = self._formatter
        raw_units: list[Json] = []
        for index, unit in enumerate(units):
            has_score = unit.is_test and enrollment.score is not None
            outcome = Outcome.COMPLETED if index < units_completed else Outcome.NOT_ATTEMPTED
            if has_score:
                outcome = enrollment.outcome
            raw_units.append(
                {
                    "id": formatter.number(unit.id),
                    "name": formatter.text(unit.name),
                    "type": unit.type,
                    "completion_status": formatter.status_word(outcome),
                    **formatter.moment(
                        "completed_on", enrollment.completed_on if outcome is Outcome.COMPLETED else None
                    ),
                    "score": str(enrollment.score) if has_score else formatter.empty,
                    **formatter.duration(enrollment.seconds_spent // len(units) if index < units_completed else 0),
                }
            )
        return {
            "role": enrollment.role,
            **self._progress(enrollment, {"completion_status": formatter.status_word(enrollment.outcome)}),
            "units": raw_units,
        }

    def branch_or_group(self, branch_or_group: SampleBranch | SampleGroup) -> Json:
        """Return a branch or a group as in its list; the key of a group lets people join it."""
        item: Json = {
            "id": self._formatter.number(branch_or_group.id),
            "name": self._formatter.text(branch_or_group.name),
            "description": self._formatter.text(branch_or_group.description),
            "price": "&#36;0.00",
        }
        if isinstance(branch_or_group, SampleGroup):
            item["key"] = _secret(GROUP_KEY_MARK, branch_or_group.id)
        return item

    def branch_or_group_in_full(
        self, branch_or_group: SampleBranch | SampleGroup, members: Iterable[SamplePerson]
    ) -> Json:
        """Return a branch or a group with its people and courses."""
        return {
            **self.branch_or_group(branch_or_group),
            "users": [
                {"id": self._formatter.number(record.id), "name": escape(short_name(record))} for record in members
            ],
            "courses": self._ids_and_names(self._index.courses[course_id] for course_id in branch_or_group.course_ids),
        }

    def categories(self, categories: Iterable[SampleCategory]) -> list[Json]:
        """Return categories as in their list."""
        return [
            {
                "id": self._formatter.number(category.id),
                "name": escape(category.name),
                "price": "&#36;0.00",
                "parent_category_id": None,
            }
            for category in categories
        ]

    def registration_fields(self) -> list[Json]:
        """Return the portal's registration fields."""
        return [
            {
                "key": field.key,
                "name": escape(field.name),
                "type": "dropdown" if field.choices else "text",
                "mandatory": "no",
                "visible_on_reports": "yes",
                "dropdown_values": escape(";".join(field.choices)) if field.choices else self._formatter.empty,
                "order": order,
            }
            for order, field in enumerate(self._index.organisation.custom_fields, start=1)
        ]

    def siteinfo(self) -> Json:
        """Return the portal's information about itself."""
        organisation = self._index.organisation
        formatter = self._formatter
        info: Json = {
            "total_users": formatter.number(len(organisation.people)),
            "total_courses": formatter.number(len(organisation.courses) + self._variations.unlisted_courses),
            "total_categories": formatter.number(len(organisation.categories)),
            "total_groups": formatter.number(len(organisation.groups)),
            "total_branches": formatter.number(len(organisation.branches)),
            "monthly_active_users": sum(person.active for person in organisation.people),
            "signup_method": "manual",
            "paypal_email": formatter.empty,
            "domain_map": formatter.empty,
        }
        if self._variations.date_format_in_siteinfo:
            info["date_format"] = formatter.date_format
        if self._variations.zone_in_siteinfo:
            info |= {"timezone": self._portal.zone_label, "language": formatter.language}
        return info

    def as_list(self, items: list[Json]) -> list[Json] | Json:
        """Return a list, or the object as which PHP encodes a filtered list; an empty one is always `[]`."""
        if not self._variations.lists_as_objects or not items:
            return items
        return {str(2 * index + 1): item for index, item in enumerate(items)}

    def _ids_and_names(self, records: Iterable[SampleBranch | SampleGroup | SampleCourse]) -> list[Json]:
        return [
            {"id": self._formatter.number(record.id), "name": self._formatter.text(record.name)} for record in records
        ]

    def _progress(self, enrollment: SampleEnrollment, status: Json) -> Json:
        formatter = self._formatter
        completed_on = enrollment.completed_on
        if enrollment.outcome is Outcome.FAILED and self._variations.failed_sets_completed_on:
            completed_on = enrollment.failed_on
        dates = {
            **formatter.moment("enrolled_on", enrollment.enrolled_on),
            **formatter.moment("completed_on", completed_on),
            **formatter.moment("expired_on", enrollment.expired_on),
        }
        if self._variations.printed_dates_alone:
            dates |= {"completed_on_timestamp": None, "expired_on_timestamp": None}
        omit_percent = self._variations.percent_missing and enrollment.outcome is Outcome.NOT_ATTEMPTED
        return {
            **dates,
            **status,
            "completion_percentage": formatter.empty if omit_percent else formatter.number(enrollment.percent),
            **formatter.duration(enrollment.seconds_spent),
        }

    def _rows(self, enrollments: Iterable[SampleEnrollment], item: Callable[[SampleEnrollment], Json]) -> list[Json]:
        """Return the rows of a roster or a transcript, with those that only some portals have."""
        rows: list[Json] = []
        for enrollment in enrollments:
            rows.append(item(enrollment))
            if self._variations.duplicated_rows:
                rows.append(item(_earlier(enrollment)))
        if self._variations.unusable_rows and rows:
            rows += [{**rows[0], "id": unusable} for unusable in _UNUSABLE_IDS]
        return rows

    def _roster_item(self, enrollment: SampleEnrollment) -> Json:
        person = self._index.people[enrollment.user_id]
        return {
            "id": self._formatter.number(enrollment.user_id),
            "name": escape(short_name(person)),
            "role": enrollment.role,
            **self._progress(enrollment, {}),
        }

    def _transcript_item(self, enrollment: SampleEnrollment) -> Json:
        status = {
            "completion_status": enrollment.outcome,
            "completion_status_formatted": self._formatter.status_word(enrollment.outcome),
        }
        return {
            "id": self._formatter.number(enrollment.course_id),
            "name": self._formatter.text(self._index.courses[enrollment.course_id].name),
            "role": enrollment.role,
            **self._progress(enrollment, status),
            "last_accessed_unit_url": (
                f"{self._host}/course/lastaccessedunit/course_id:{enrollment.course_id},user_id:{enrollment.user_id}"
            ),
        }

    def _certificates(self, enrollment: SampleEnrollment) -> tuple[tuple[int, int | None], ...]:
        is_earned = enrollment.outcome is Outcome.COMPLETED and self._index.courses[enrollment.course_id].certificate
        if enrollment.certificates or not is_earned or enrollment.completed_on is None:
            return enrollment.certificates
        return ((enrollment.completed_on, None),)

    def _certification(
        self, enrollment: SampleEnrollment, course: SampleCourse, issued_on: int, expires_on: int | None
    ) -> Json:
        signature = _secret(SIGNATURE_MARK, enrollment.user_id, enrollment.course_id)
        issued, expires = ((self._formatter.date(moment) or "").partition(",")[0] for moment in (issued_on, expires_on))
        return {
            "course_id": self._formatter.number(course.id),
            "course_name": self._formatter.text(course.name),
            "unique_id": f"{int(enrollment.user_id):07d}{int(course.id):07d}",
            "issued_date": issued,
            "issued_date_timestamp": issued_on,
            "expiration_date": "Never" if expires_on is None else expires,
            "expiration_date_timestamp": expires_on or 0,
            "download_url": f"{self._host}/user/downloadcertification/{course.id}?Signature={signature}",
            "public_url": f"{self._host}/certificates/{course.id}?Signature={signature}",
        }
