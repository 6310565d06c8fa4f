"""A question plans, fetches and plans again: one transaction where nothing is missing, and no fetch twice."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.to_thread
import pytest

from mcp_truto_lms.domain.call_counter import CALL_COUNTER
from mcp_truto_lms.domain.errors import RouteClosed, Unavailable
from mcp_truto_lms.domain.model import Course, User
from mcp_truto_lms.domain.source import FetchRoute, Scope
from mcp_truto_lms.ingest import freshness
from mcp_truto_lms.ingest.fetch_plan import FetchList, FetchPlan
from mcp_truto_lms.ingest.fetch_planner import FetchPlanner
from mcp_truto_lms.ingest.freshness import READERS
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.store.compressed_rows import CompressedPeople
from mcp_truto_lms.store.database import Database
from tests.conftest import WAIT_SECONDS, OpenDesk
from tests.ingest.portal_waits import until
from tests.stored import Shelf, course, open_shelf, person, record, refreshing

pytestmark = pytest.mark.anyio

QUESTIONS: list[dict[str, Any]] = [
    {},
    {"user": "Jane Doe"},
    {"user": "6", "course": "101"},
    {"course": ["101", "102"]},
    {"state": "failed"},
    {"course": "101", "sort": "-score"},
    {"where": {"site": "Oslo"}},
]


class Transactions:
    """Counts the transactions of a database, and notes their threads."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[threading.Thread] = []
        transact = database._transact

        def counted(work: Any, **options: Any) -> Any:
            self.threads.append(threading.current_thread())
            return transact(work, **options)

        monkeypatch.setattr(database, "_transact", counted)


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_a_question_whose_data_is_fresh_is_one_transaction_in_a_worker_thread(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, question: dict[str, Any]
):
    async with open_desk() as desk:
        await desk.summarize(**{name: value for name, value in question.items() if name != "sort"})
        await desk.list(**question)
        await until(lambda: not desk.account.is_reading_outcomes)
        transactions = Transactions(desk.account._database, monkeypatch)
        query = EnrollmentQuery.model_validate(question)
        await desk.account.list_enrollments(query)
        assert len(transactions.threads) == 1
        assert transactions.threads[0] is not threading.main_thread()


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
async def test_the_freshness_of_a_scope_is_judged_once_in_a_pass(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, question: dict[str, Any]
):
    judged: Counter[str] = Counter()
    stale = freshness.stale

    def counted(budget: Any, keys: Any, *given: Any, own_state_only: bool = False, **options: Any) -> set[str]:
        judged.update(f"{key} {own_state_only}" for key in keys)
        return stale(budget, keys, *given, own_state_only=own_state_only, **options)

    async with open_desk() as desk:
        await desk.list(**question)
        monkeypatch.setattr(freshness, "stale", counted)
        await desk.list(**question)
    assert judged
    assert {key: times for key, times in judged.items() if times > 1} == {}


async def test_the_next_pass_sees_what_a_fetch_wrote():
    seen: list[tuple[int, bool]] = []

    def plan_or_answer(planner: FetchPlanner) -> FetchPlan | str:
        plan = planner.course_list()
        seen.append((id(planner), "courses" in planner.state.lists))
        return plan or "done"

    async with refreshing(Shelf(titles=[course("c", "C")])) as refresher:
        assert await refresher.run(refresher.begin(), plan_or_answer) == "done"
    assert [is_stored for _, is_stored in seen] == [False, True]


async def test_a_plan_that_is_made_twice_is_an_error_and_no_endless_loop():
    async with refreshing(Shelf()) as refresher:
        with anyio.fail_after(WAIT_SECONDS), pytest.raises(AssertionError, match="planned twice"):
            await refresher.run(refresher.begin(), lambda _: FetchList("courses", max_age_seconds=0))


async def test_a_task_that_is_cancelled_while_a_pass_runs_ends_as_cancelled():
    looks, continues = threading.Event(), threading.Event()

    def look(_: FetchPlanner) -> str:
        looks.set()
        assert continues.wait(5)
        return "nobody waits for this"

    async with refreshing(Shelf()) as refresher:
        task = asyncio.ensure_future(refresher.run(refresher.begin(), look))
        await anyio.to_thread.run_sync(looks.wait, 5)
        task.cancel()
        try:
            with pytest.raises(asyncio.CancelledError):
                await task
        finally:
            continues.set()
        assert (await refresher.sizes()).courses == 0


class Racing:
    """A clock that moves by an hour whenever somebody looks."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(hours=1)
        return self.moment


class Counting(Shelf):
    """A source that counts what is asked of it."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.asked: Counter[str] = Counter()

    async def courses(self) -> tuple[Course, ...]:
        self.asked["courses"] += 1
        return await super().courses()

    async def learners(self) -> tuple[User, ...]:
        self.asked["learners"] += 1
        return await super().learners()

    async def enrollments(self, scope: Scope, **joined: Any) -> Any:
        self.asked[scope.key] += 1
        return await super().enrollments(scope, **joined)


def counting() -> Counting:
    people = [person("1", "Ann"), person("2", "Bob")]
    records = [record(user, "c", "in_progress", progress_percent=50) for user in "12"]
    return Counting(people, [course("c", "C"), course("d", "D")], records)


@pytest.mark.parametrize("fresh", [False, True])
async def test_a_clock_that_moves_during_a_question_makes_nothing_stale_again(fresh: bool):
    source = counting()
    async with open_shelf(source, clock=Racing()) as desk:
        with anyio.fail_after(WAIT_SECONDS):
            await desk.list(state="failed", fields=["user.name", "score"], fresh=fresh)
    assert {key: times for key, times in source.asked.items() if times > 1} == {}


class NeverFresh(Counting):
    """A source that gives everything only in part, so that nothing of it is ever fresh."""

    async def enrollments(self, scope: Scope, **joined: Any) -> Any:
        self.halves = self.halves | {scope.key}
        return await super().enrollments(scope, **joined)


async def test_a_source_that_never_becomes_fresh_is_asked_once_a_question():
    source = counting()
    source.__class__ = NeverFresh
    async with open_shelf(source) as desk:
        for times in (1, 2):
            with anyio.fail_after(WAIT_SECONDS):
                text = await desk.list()
            assert ", complete." not in text
            assert source.asked["course:c"] == source.asked["course:d"] == times


class Closed(Counting):
    """A source that has no open route, and does not say so beforehand."""

    async def enrollments(self, scope: Scope, **joined: Any) -> Any:
        self.asked[scope.key] += 1
        raise RouteClosed("This route is closed.")


async def test_a_closed_route_is_tried_once_and_the_next_cheapest_after_it():
    source = counting()
    source.__class__ = Closed
    async with open_shelf(source) as desk:
        with anyio.fail_after(WAIT_SECONDS):
            assert await desk.refused("list_course_enrollments") == "This route is closed."
    assert {key.partition(":")[0] for key in source.asked} >= {"course", "pair"}
    assert {key: times for key, times in source.asked.items() if times > 1} == {}


class Down(Counting):
    """A source whose directory and courses cannot be fetched."""

    async def learners(self) -> tuple[User, ...]:
        await super().learners()
        raise Unavailable("The LMS is down.")


async def test_a_list_that_cannot_be_fetched_is_tried_once_a_question():
    source = counting()
    clock = Racing()
    async with open_shelf(source, clock=clock) as desk:
        await desk.list()
        clock.moment += timedelta(days=2)
        source.__class__ = Down
        source.asked.clear()
        with anyio.fail_after(WAIT_SECONDS):
            text = await desk.list(user="Ann", state="failed")
    assert source.asked["learners"] <= 1
    assert "1" in text


class Trickling(Counting):
    """A source whose roster `d` arrives while a transcript is fetched."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.transcript_asked, self.rosters_written = anyio.Event(), anyio.Event()

    async def enrollments(self, scope: Scope, **joined: Any) -> Any:
        if (counter := CALL_COUNTER.get()) is not None:
            counter.calls += 1
        if scope.route is FetchRoute.COURSE and scope.course_id == "d":
            await self.transcript_asked.wait()
        if scope.route is FetchRoute.LEARNER:
            self.transcript_asked.set()
            await self.rosters_written.wait()
        return await super().enrollments(scope, **joined)


async def test_coverage_and_counts_of_an_answer_are_of_one_transaction(monkeypatch: pytest.MonkeyPatch):
    """A roster that arrives while transcripts are fetched brings people whose transcripts nobody has fetched."""
    people = [person(str(number), f"P{number}") for number in range(99)]  # so many that rosters are fetched
    records = [
        record("1", "c", "in_progress", progress_percent=50),
        record("2", "d", "in_progress", progress_percent=50),
    ]
    titles = [course(key, key.upper()) for key in "cdefghijklmn"]  # more than are fetched side by side
    assert len(titles) > READERS
    source = Trickling(people, titles, records)
    async with open_shelf(source, call_budget=1) as desk:
        ingester = desk.account._refresher.fetcher.ingester
        replace_scope, written = ingester._replace_scope, set[str]()

        async def replaced(scope: Scope, *given: Any) -> None:
            await replace_scope(scope, *given)
            written.add(scope.key)
            if len(written) == len(titles):
                source.rosters_written.set()

        monkeypatch.setattr(ingester, "_replace_scope", replaced)
        with anyio.fail_after(WAIT_SECONDS):
            text = await desk.summarize(state=["failed", "not_finished"])
    assert text.startswith("2 enrollments")
    assert "1 outcome not read yet" in text


async def test_a_first_fetch_of_everything_decodes_nobody_to_join_them(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
):
    def refuse(self: CompressedPeople, *given: Any, **named: Any) -> None:
        raise AssertionError("people of the store are decoded")

    monkeypatch.setattr(CompressedPeople, "__init__", refuse)
    async with open_desk() as desk:
        assert ", complete." in await desk.summarize()
        assert "Jane Doe" in await desk.list(user="Jane Doe", course="101")
