"""Looks up the records of an organisation by id, e-mail, login, course and person, in constant time."""

from __future__ import annotations

from collections import defaultdict

from mcp_truto_lms.sandbox.records import (
    Organisation,
    SampleBranch,
    SampleCourse,
    SampleEnrollment,
    SampleGroup,
    SamplePerson,
)


class OrganisationIndex:
    """The lookup tables of the API, built once."""

    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation
        self.people: dict[str, SamplePerson] = {record.id: record for record in organisation.people}
        self.people_by_email: dict[str, SamplePerson] = {record.email.lower(): record for record in organisation.people}
        self.people_by_login: dict[str, SamplePerson] = {record.login.lower(): record for record in organisation.people}
        self.courses: dict[str, SampleCourse] = {record.id: record for record in organisation.courses}
        self.branches: dict[str, SampleBranch] = {record.id: record for record in organisation.branches}
        self.groups: dict[str, SampleGroup] = {record.id: record for record in organisation.groups}
        rosters: defaultdict[str, list[SampleEnrollment]] = defaultdict(list)
        transcripts: defaultdict[str, list[SampleEnrollment]] = defaultdict(list)
        for record in organisation.enrollments:
            rosters[record.course_id].append(record)
            transcripts[record.user_id].append(record)
        self._rosters = dict(rosters)
        self._transcripts = dict(transcripts)

    def roster(self, course_id: str) -> list[SampleEnrollment]:
        """Return the enrollments of a course, instructors included."""
        return self._rosters.get(course_id, [])

    def transcript(self, user_id: str) -> list[SampleEnrollment]:
        """Return the enrollments of a person."""
        return self._transcripts.get(user_id, [])

    def pair(self, user_id: str, course_id: str) -> SampleEnrollment | None:
        """Return the enrollment of a person in a course, None if there is none."""
        return next((enrollment for enrollment in self.transcript(user_id) if enrollment.course_id == course_id), None)

    def members(self, *, branch_id: str | None = None, group_id: str | None = None) -> list[SamplePerson]:
        """Return the people of a branch or of a group."""
        return [
            person
            for person in self.organisation.people
            if branch_id in person.branch_ids or group_id in person.group_ids
        ]
