"""The state machine: changes, faults, refreshes, restarts, time and questions in any order."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mcp_truto_lms.sandbox.records import Outcome
from tests.conftest import LIST, SUMMARIZE
from tests.model.comparison import Tally
from tests.model.portal_model import Enrollment, Person
from tests.model.questions import Question, concrete, drafts
from tests.model.served_portal import BODY_FAULTS, PROVIDERS, BodyFault, api_faults
from tests.model.world import EVERYTHING, NewStore, Size, World

INDEX = st.integers(0, 60)
DRAFTS = drafts()
FIRST_ROWS = Question(LIST, {"limit": 3}, {})
AT_RISK = Question(SUMMARIZE, {"state": "at_risk"}, {"state": ["at_risk"]})
MINUTE, HOUR, DAY = 60, 3600, 86_400
_SIZES = st.builds(Size, st.integers(4, 10), st.integers(2, 5), st.sampled_from([300, 300, 6]))
_TINY = st.builds(Size, st.integers(2, 4), st.integers(1, 3), st.just(300))
_OPEN = ("start", "progress", "finish", "fail", "fail_at_same_percent", "touch")
_STEPS = {Outcome.COMPLETED: ("fail_again", "touch"), Outcome.FAILED: ("pass_again", "retry", "touch")}


class Machine(RuleBasedStateMachine):
    """The rules over one provider and one kind of store."""

    provider: ClassVar[str]
    new_store: ClassVar[NewStore]
    tally: ClassVar[Tally]

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.left: list[Enrollment] = []
        self.asked: list[dict[str, Any]] = []

    def teardown(self) -> None:
        if self.world is not None:
            self.world.close()

    @initialize(data=st.data(), seed=st.integers(0, 10_000), failures_have_dates=st.booleans())
    def open(self, data: st.DataObject, seed: int, failures_have_dates: bool) -> None:
        size = data.draw(_TINY if PROVIDERS[self.provider].pairs_only else _SIZES)
        self.world = World(
            self.provider, type(self).new_store(), size, seed, self.tally, failures_have_dates=failures_have_dates
        )
        self.tally.add("worlds")

    @property
    def open_world(self) -> World:
        assert self.world is not None
        return self.world

    def _concrete(self, draft: dict[str, Any]) -> Question:
        return concrete(draft, self.open_world.model, teams=PROVIDERS[self.provider].tells_teams)

    def _person(self, index: int) -> Person | None:
        people = [*self.open_world.model.people.values()]
        return people[index % len(people)] if people else None

    def _enrollment(self, index: int) -> Enrollment | None:
        learning = self.open_world.model.learning()
        return learning[index % len(learning)] if learning else None

    @rule(index=INDEX, choice=INDEX)
    def study(self, index: int, choice: int) -> None:
        world, enrollment = self.open_world, self._enrollment(index)
        if enrollment is None:
            return
        steps = _STEPS.get(enrollment.outcome, _OPEN)
        step = steps[choice % len(steps)]
        world.model.apply(step, enrollment, int(world.time.epoch()))
        world.change(f"{enrollment.pair} {step}")

    @rule(index=INDEX, choice=INDEX, draft=DRAFTS)
    def study_and_ask_an_hour_later(self, index: int, choice: int, draft: dict[str, Any]) -> None:
        """What was known before a change is not taken for what is true after it."""
        world = self.open_world
        world.ask(EVERYTHING)
        self.study(index, choice)
        world.wait(HOUR + MINUTE)
        world.ask(EVERYTHING)
        world.ask(self._concrete(draft))

    @rule(index=INDEX, course=INDEX)
    def enroll(self, index: int, course: int) -> None:
        world, person = self.open_world, self._person(index)
        courses = [*world.model.courses]
        if person is None or not courses:
            return
        pair = person.id, courses[course % len(courses)]
        if pair not in world.model.enrollments:
            world.model.enroll(*pair, int(world.time.epoch()))
            world.change(f"{pair} enrolled")

    @rule(index=INDEX)
    def unenroll(self, index: int) -> None:
        if (enrollment := self._enrollment(index)) is not None:
            self.left.append(self.open_world.model.unenroll(enrollment.pair))
            self.open_world.change(f"{enrollment.pair} unenrolled")

    @precondition(lambda self: self.left)
    @rule()
    def enroll_again(self) -> None:
        world, enrollment = self.open_world, self.left.pop()
        known = enrollment.user_id in world.model.people and enrollment.course_id in world.model.courses
        if known and enrollment.pair not in world.model.enrollments:
            world.model.enroll_again(enrollment, int(world.time.epoch()))
            world.change(f"{enrollment.pair} enrolled again")

    @rule(index=INDEX, what=st.sampled_from(["hire", "rename", "deactivate", "deactivate", "delete"]))
    def change_people(self, index: int, what: str) -> None:
        world, person = self.open_world, self._person(index)
        if what == "hire" or person is None:
            if len(world.model.people) < 12:
                world.model.add_person()
        elif what == "rename":
            world.model.rename(person)
        elif what == "deactivate":
            person.active = not person.active
        elif len(world.model.people) > 1:
            world.model.delete_person(person.id)
        world.change(f"{what} {person and person.id}")

    @rule(index=INDEX, what=st.sampled_from(["archive", "archive", "delete", "create", "new_end"]))
    def change_courses(self, index: int, what: str) -> None:
        world = self.open_world
        courses = [*world.model.courses.values()]
        course = courses[index % len(courses)] if courses else None
        if what == "create" or course is None:
            if len(courses) < 6:
                world.model.add_course(int(world.time.epoch()))
        elif what == "archive":
            course.status = "active" if course.status == "archived" else "archived"
        elif what == "new_end":
            world.model.end_course(course, int(world.time.epoch()) + (index % 60 - 20) * DAY + 77)
        elif len(courses) > 1:
            world.model.delete_course(course.id)
        world.change(f"{what} course {course and course.id}", courses=True)

    @rule(seconds=st.sampled_from([MINUTE, 20 * MINUTE, 2 * HOUR, 25 * HOUR, 8 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.open_world.wait(seconds)

    @rule(data=st.data(), times=st.integers(1, 5), after=st.integers(0, 4))
    def break_api(self, data: st.DataObject, times: int, after: int) -> None:
        world = self.open_world
        faults = api_faults(PROVIDERS[self.provider])
        name = data.draw(st.sampled_from(sorted(faults)))
        world.portal.faults.add(faults[name], times=times, after=after)

    @rule(kind=st.sampled_from(BODY_FAULTS), times=st.integers(1, 4))
    def break_bodies(self, kind: str, times: int) -> None:
        self.open_world.portal.body_faults.append(BodyFault(kind, times))

    @rule()
    def repair(self) -> None:
        self.open_world.portal.clear_faults()

    @rule()
    def restart(self) -> None:
        self.open_world.restart()

    @rule(draft=DRAFTS, fresh=st.booleans())
    def ask(self, draft: dict[str, Any], fresh: bool) -> None:
        question = self._concrete(draft)
        self.asked.append(draft)
        self.open_world.ask(question.fresh() if fresh else question)

    @precondition(lambda self: self.asked)
    @rule(index=INDEX)
    def ask_again(self, index: int) -> None:
        draft = self.asked[index % len(self.asked)]
        self.open_world.ask(self._concrete(draft))

    @rule(fresh=st.booleans())
    def ask_about_everything(self, fresh: bool) -> None:
        self.open_world.ask(EVERYTHING.fresh() if fresh else EVERYTHING)

    @rule(draft=DRAFTS)
    def ask_before_and_after_another(self, draft: dict[str, Any]) -> None:
        """The same question has the same numbers, whatever was asked in between."""
        world = self.open_world
        other = self._concrete(draft)
        for question in (
            EVERYTHING,
            Question(LIST, {"limit": 3}, {}),
            Question(SUMMARIZE, {"state": "at_risk"}, {"state": ["at_risk"]}),
        ):
            world.ask(question)
            world.ask(other)
            world.ask(question)

    @rule()
    def become_known(self) -> None:
        self.open_world.becomes_known()
