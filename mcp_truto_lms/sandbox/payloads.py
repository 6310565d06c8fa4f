"""The JSON of TalentLMS v1, printed from an organisation as the vendor prints it.

The shapes are those of the vendor's documents, with their unevenness: a roster has short names and no status, a pair
has neither ids nor names and the display word as its status, created dates have no timestamp, and live secrets (the
one-click login, signed certificate addresses) stand among harmless fields. The secrets here are made up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from mcp_truto_lms.sandbox.display import Printer, escape
from mcp_truto_lms.sandbox.index import OrganisationIndex
from mcp_truto_lms.sandbox.records import (
    Outcome,
    SampleBranch,
    SampleCourse,
    SampleEnrollment,
    SampleGroup,
    SamplePerson,
)

Json = dict[str, Any]

SIGNATURE_MARK = "fakesignature"  # in every signed address, so that a leak can be searched for
LOGIN_KEY_MARK = "fakelogin"


def _secret(mark: str, *parts: str) -> str:
    return mark + hashlib.sha256(":".join(parts).encode()).hexdigest()[:24]


def short_name(person: SamplePerson) -> str:
    """Abbreviate a name as rosters do: `D. Dummy`."""
    return f"{person.first_name[:1]}. {person.last_name}".strip()


class Payloads:
    """Prints every answer of the API; what is asked for exists."""

    def __init__(self, index: OrganisationIndex, printer: Printer) -> None:
        self._index = index
        self._print = printer
        self._variations = printer.variations
        self._portal = index.organisation.portal
        self._host = f"https://{self._portal.host}"

    def user(self, person: SamplePerson) -> Json:
        """Print a person as in the list of users."""
        out = self._print
        return {
            "id": out.number(person.id),
            "login": escape(person.login),
            "first_name": out.text(person.first_name),
            "last_name": out.text(person.last_name),
            "email": person.email,
            "restrict_email": "0",
            "user_type": person.user_type,
            "timezone": self._portal.zone_label,
            "language": out.language,
            "status": "active" if person.active else "inactive",
            "deactivation_date": out.empty if person.deactivated_on is None else out.date(person.deactivated_on),
            "level": "1",
            "points": "0",
            "credits": "0",
            "created_on": out.date(person.created_on),
            **out.moment("last_updated", person.updated_on),
            "avatar": f"{self._host}/images/avatars/{person.id}.png",
            "bio": out.text(person.bio) if person.bio else None,
            "login_key": f"{self._host}/index/autologin/key:{_secret(LOGIN_KEY_MARK, person.id)}",
            **{
                field.key: out.text(value)
                for field, value in zip(self._index.organisation.custom_fields, person.custom_fields, strict=True)
            },
        }

    def user_in_full(self, person: SamplePerson) -> Json:
        """Print a person with their transcript."""
        transcript = self._index.transcript(person.id)
        return {
            **self.user(person),
            "courses": self.listed([self._transcript_item(one) for one in transcript]),
            "branches": self._named(self._index.branches[one] for one in person.branch_ids),
            "groups": self._named(self._index.groups[one] for one in person.group_ids),
            "certifications": [
                self._certification(one, self._index.courses[one.course_id])
                for one in transcript
                if one.outcome is Outcome.COMPLETED and self._index.courses[one.course_id].certificate
            ],
            "badges": [],
        }

    def course(self, course: SampleCourse) -> Json:
        """Print a course as in the list of courses."""
        out = self._print
        return {
            "id": out.number(course.id),
            "name": out.text(course.name),
            "code": out.text(course.code),
            "category_id": out.number(course.category_id),
            "description": course.description,
            "price": "&#36;0.00",
            "status": course.status,
            "creation_date": out.date(course.created_on),
            "last_update_on": out.date(course.updated_on),
            "creator_id": out.number(course.creator_id),
            "hide_from_catalog": "0",
            "time_limit": out.number(course.time_limit_days),
            "start_datetime": None,
            "expiration_datetime": None if course.expires_on is None else out.number(course.expires_on),
            "level": out.empty,
            "shared": "0",
            "shared_url": out.empty,
            "avatar": f"{self._host}/images/courses/{course.id}.png",
            "certification": "Classic" if course.certificate else out.empty,
            "certification_duration": "Forever" if course.certificate else out.empty,
        }

    def course_in_full(self, course: SampleCourse) -> Json:
        """Print a course with its roster."""
        return {
            **self.course(course),
            "users": self.listed([self._roster_item(one) for one in self._index.roster(course.id)]),
            "units": [
                {
                    "id": self._print.number(unit.id),
                    "type": unit.type,
                    "name": self._print.text(unit.name),
                    "url": f"{self._host}/unit/view/id:{unit.id}",
                }
                for unit in course.units
            ],
            "rules": ["You must complete all content"],
            "prerequisites": [],
        }

    def pair(self, one: SampleEnrollment) -> Json:
        """Print one person's progress in one course, unit by unit."""
        units = self._index.courses[one.course_id].units
        reached = len(units) if one.outcome is Outcome.COMPLETED else one.percent * len(units) // 100
        out = self._print
        printed: list[Json] = []
        for place, unit in enumerate(units):
            taken = unit.is_test and one.score is not None
            outcome = Outcome.COMPLETED if place < reached else Outcome.NOT_ATTEMPTED
            if taken:
                outcome = one.outcome
            printed.append(
                {
                    "id": out.number(unit.id),
                    "name": out.text(unit.name),
                    "type": unit.type,
                    "completion_status": out.status_word(outcome),
                    **out.moment("completed_on", one.completed_on if outcome is Outcome.COMPLETED else None),
                    "score": str(one.score) if taken else out.empty,
                    **out.duration(one.seconds_spent // len(units) if place < reached else 0),
                }
            )
        return {
            "role": one.role,
            **self._progress(one, {"completion_status": out.status_word(one.outcome)}),
            "units": printed,
        }

    def place(self, place: SampleBranch | SampleGroup) -> Json:
        """Print a branch or a group as in its list."""
        return {
            "id": self._print.number(place.id),
            "name": self._print.text(place.name),
            "description": self._print.text(place.description),
            "price": "&#36;0.00",
        }

    def place_in_full(self, place: SampleBranch | SampleGroup, members: Iterable[SamplePerson]) -> Json:
        """Print a branch or a group with its people and courses."""
        return {
            **self.place(place),
            "users": [{"id": self._print.number(one.id), "name": escape(short_name(one))} for one in members],
            "courses": self._named(self._index.courses[one] for one in place.course_ids),
        }

    def categories(self) -> list[Json]:
        """Print all categories."""
        return [
            {
                "id": self._print.number(one.id),
                "name": escape(one.name),
                "price": "&#36;0.00",
                "parent_category_id": None,
            }
            for one in self._index.organisation.categories
        ]

    def registration_fields(self) -> list[Json]:
        """Print the portal's own fields."""
        return [
            {
                "key": field.key,
                "name": escape(field.name),
                "type": "dropdown" if field.choices else "text",
                "mandatory": "no",
                "visible_on_reports": "yes",
                "dropdown_values": escape(";".join(field.choices)) if field.choices else self._print.empty,
                "order": order,
            }
            for order, field in enumerate(self._index.organisation.custom_fields, start=1)
        ]

    def siteinfo(self) -> Json:
        """Print what the portal says of itself."""
        organisation = self._index.organisation
        out = self._print
        info: Json = {
            "total_users": out.number(len(organisation.people)),
            "total_courses": out.number(len(organisation.courses)),
            "total_categories": out.number(len(organisation.categories)),
            "total_groups": out.number(len(organisation.groups)),
            "total_branches": out.number(len(organisation.branches)),
            "monthly_active_users": sum(one.active for one in organisation.people),
            "signup_method": "manual",
            "paypal_email": out.empty,
            "domain_map": out.empty,
            "date_format": out.date_format,
        }
        if self._variations.zone_in_siteinfo:
            info |= {"timezone": self._portal.zone_label, "language": out.language}
        return info

    def listed(self, items: list[Json]) -> list[Json] | Json:
        """Print a list that PHP may have filtered: then it is an object, and `[]` where nothing is left."""
        if not self._variations.lists_as_objects or not items:
            return items
        return {str(2 * place + 1): item for place, item in enumerate(items)}

    def _named(self, things: Iterable[SampleBranch | SampleGroup | SampleCourse]) -> list[Json]:
        return [{"id": self._print.number(one.id), "name": self._print.text(one.name)} for one in things]

    def _progress(self, one: SampleEnrollment, status: Json) -> Json:
        out = self._print
        completed_on = one.completed_on
        if one.outcome is Outcome.FAILED and self._variations.failed_sets_completed_on:
            completed_on = one.failed_on
        blank = self._variations.percent_missing and one.outcome is Outcome.NOT_ATTEMPTED
        return {
            **out.moment("enrolled_on", one.enrolled_on),
            **out.moment("completed_on", completed_on),
            **status,
            "completion_percentage": out.empty if blank else out.number(one.percent),
            **out.moment("expired_on", one.expired_on),
            **out.duration(one.seconds_spent),
        }

    def _roster_item(self, one: SampleEnrollment) -> Json:
        person = self._index.people[one.user_id]
        return {
            "id": self._print.number(one.user_id),
            "name": escape(short_name(person)),
            "role": one.role,
            **self._progress(one, {}),
        }

    def _transcript_item(self, one: SampleEnrollment) -> Json:
        status = {
            "completion_status": one.outcome,
            "completion_status_formatted": self._print.status_word(one.outcome),
        }
        return {
            "id": self._print.number(one.course_id),
            "name": self._print.text(self._index.courses[one.course_id].name),
            "role": one.role,
            **self._progress(one, status),
            "last_accessed_unit_url": (
                f"{self._host}/course/lastaccessedunit/course_id:{one.course_id},user_id:{one.user_id}"
            ),
        }

    def _certification(self, one: SampleEnrollment, course: SampleCourse) -> Json:
        signature = _secret(SIGNATURE_MARK, one.user_id, one.course_id)
        day = (self._print.date(one.completed_on) or "").partition(",")[0]
        return {
            "course_id": self._print.number(course.id),
            "course_name": self._print.text(course.name),
            "unique_id": f"{int(one.user_id):07d}{int(course.id):07d}",
            "issued_date": day,
            "issued_date_timestamp": one.completed_on,
            "expiration_date": "Never",
            "expiration_date_timestamp": 0,
            "download_url": f"{self._host}/user/downloadcertification/{course.id}?Signature={signature}",
            "public_url": f"{self._host}/certificates/{course.id}?Signature={signature}",
        }
