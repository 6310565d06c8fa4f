"""An organisation looked up by id, e-mail, login, course and person, in constant time."""

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
    """The look-ups that an API needs, built once."""

    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation
        self.people: dict[str, SamplePerson] = {one.id: one for one in organisation.people}
        self.people_by_email: dict[str, SamplePerson] = {one.email.lower(): one for one in organisation.people}
        self.people_by_login: dict[str, SamplePerson] = {one.login.lower(): one for one in organisation.people}
        self.courses: dict[str, SampleCourse] = {one.id: one for one in organisation.courses}
        self.branches: dict[str, SampleBranch] = {one.id: one for one in organisation.branches}
        self.groups: dict[str, SampleGroup] = {one.id: one for one in organisation.groups}
        rosters: defaultdict[str, list[SampleEnrollment]] = defaultdict(list)
        transcripts: defaultdict[str, list[SampleEnrollment]] = defaultdict(list)
        for one in organisation.enrollments:
            rosters[one.course_id].append(one)
            transcripts[one.user_id].append(one)
        self._rosters = dict(rosters)
        self._transcripts = dict(transcripts)

    def roster(self, course_id: str) -> list[SampleEnrollment]:
        """Everyone in a course, instructors included."""
        return self._rosters.get(course_id, [])

    def transcript(self, user_id: str) -> list[SampleEnrollment]:
        """All that one person is in."""
        return self._transcripts.get(user_id, [])

    def pair(self, user_id: str, course_id: str) -> SampleEnrollment | None:
        """One person in one course, None where they are not in it."""
        return next((one for one in self.transcript(user_id) if one.course_id == course_id), None)

    def members(self, *, branch_id: str | None = None, group_id: str | None = None) -> list[SamplePerson]:
        """Everyone in a branch or in a group."""
        return [one for one in self.organisation.people if branch_id in one.branch_ids or group_id in one.group_ids]
