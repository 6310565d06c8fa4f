"""Compares an answer with the independent count, and with earlier answers to the same question.

An answer is judged where the portal has not changed since its "As of". If it says `complete`, every number is that of
the count. Otherwise its bounds hold; where only outcomes are missing, so do the numbers without bounds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import LIST
from tests.model.answer_reader import Bound, ReadAnswer, read, to_bound
from tests.model.independent_count import Fact, matching, missing, moving_facts, number, places_of, values_of
from tests.model.portal_model import PortalModel
from tests.model.questions import Question

COURSE_LIST_SECONDS = 3600
"""For how long an answer about named people may not know that a course of theirs was archived or moved its end."""
_ONLY_OUTCOMES = re.compile(r"[\d,]+ outcomes? not read yet")


_UNSEEN_ENDS = re.compile(r"records (?:do not tell|tell neither instructors nor) when access ends")
"""The note of an answer whose records tell the end of access by a status alone, as of when they were read."""


_UNKNOWN_NAMES = re.compile(r"\bNo (?:course|learner): ")
"""The note of an answer that leaves out a name, which a list of names that is not new yet does not have."""


_GAPS = re.compile(r"not (?:listed|readable)")
"""The first line of an answer that counts stored rows of courses which the LMS does not list or show any more."""


class Disagreement(AssertionError):
    """An answer and the portal differ."""


@dataclass(slots=True)
class Tally:
    """What a run has done."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, by: int = 1) -> None:
        self.counts[what] += by

    def __str__(self) -> str:
        return ", ".join(f"{number:,} {what}" for what, number in sorted(self.counts.items()))


@dataclass(frozen=True, slots=True)
class _Earlier:
    text: str
    asked_as: str


@dataclass(slots=True)
class Comparison:
    """Judges the answers of one world.

    Args:
        model: the portal
        tally: counts the numbers that were compared
    """

    model: PortalModel
    tally: Tally
    _answers: dict[Any, _Earlier] = field(default_factory=dict)

    def judge(self, question: Question, text: str, moments: Sequence[float]) -> ReadAnswer:
        """Judge an answer that was made between two moments.

        Raises:
            Disagreement: a number is not that of the portal, or not that of an earlier answer.
        """
        answer = read(text)
        self.tally.add("answers")
        self.tally.add("complete answers" if answer.complete else "incomplete answers")
        changed_at = self.model.changed_at
        if "user" in question.asked and "course" not in question.asked and not question.arguments.get("fresh"):
            changed_at = max(changed_at, self.model.courses_changed_at + COURSE_LIST_SECONDS)
        if self.model.version and answer.as_of <= changed_at:
            self.tally.add("answers older than the last change")
            return answer
        if (
            _GAPS.search(answer.completeness)
            or _UNKNOWN_NAMES.search(text)
            or (_UNSEEN_ENDS.search(text) and question.asks_for_ends)
        ):
            self.tally.add("answers that say what they cannot tell")
            return answer
        problems = [self._problems(question, answer, moment) for moment in dict.fromkeys(moments)]
        if all(problems):
            raise Disagreement(f"{question}\n{chr(10).join(problems[0])}\n{text}")
        if answer.complete and "Not fully refreshed" not in text:
            self._compare_with_earlier(question, text, moments)
        return answer

    def _compare_with_earlier(self, question: Question, text: str, moments: Sequence[float]) -> None:
        states = [moving_facts(self.model, moment) for moment in moments]
        if states[0] != states[-1]:
            return
        key = question.key, self.model.version, states[0]
        # what the records of an account tell is learned from them; it changes no number
        same = re.sub(r"As of \S+ \S+ \S+,|cursor=\S+$|This account's records [^.]*\. ?", "", text)
        earlier = self._answers.setdefault(key, _Earlier(same, str(question)))
        self.tally.add("pairs of answers", earlier.text is not same)
        if earlier.text != same:
            raise Disagreement(f"two answers to {question} (first as {earlier.asked_as})\n{earlier.text}\n---\n{same}")

    def _problems(self, question: Question, answer: ReadAnswer, moment: float) -> list[str]:
        """List what is wrong with an answer, if it was made at a moment."""
        judged = _Judge(answer, self.tally)
        if question.asks_who_is_missing:
            pairs = missing(self.model, question.asked)
            judged.number("total", answer.total, len(pairs))
            judged.groups(question, _missing_counts(self.model, pairs, question.group), self.model)
            return judged.problems
        match = matching(self.model, question.asked, moment)
        unread = answer.unread_outcomes
        judged.number("total", answer.total, len(match), slack=unread if answer.text.startswith("{") else 0)
        judged.number("learners", answer.learners, len({fact.user_id for fact in match}), slack=unread)
        judged.number("courses", answer.courses, len({fact.course_id for fact in match}), slack=unread)
        for header, bound in answer.headline.items():
            judged.number(header, bound, number(match, header))
        statuses = Counter(fact.status for fact in match)
        if answer.by_status is None or _UNSEEN_ENDS.search(answer.text):
            statuses = Counter()
        for status in {*statuses, *(answer.by_status or {})} if statuses else ():
            printed = (answer.by_status or {}).get(status, Bound(0, 0))
            judged.number(f"status {status}", printed, statuses[status], slack=unread)
        if question.tool == LIST:
            judged.rows(match)
        else:
            judged.groups(question, _group_counts(match, question.group), self.model)
        return judged.problems


@dataclass(slots=True)
class _Judge:
    """Collects what is wrong with one answer."""

    answer: ReadAnswer
    tally: Tally
    problems: list[str] = field(default_factory=list)

    def number(self, what: str, bound: Bound | None, truth: int, *, slack: int = 0) -> None:
        """Judge a printed number; it may be wrong by the outcomes that the answer says are not read."""
        answer = self.answer
        if bound is None or (bound.exact and not answer.complete and not _ONLY_OUTCOMES.fullmatch(answer.completeness)):
            return
        self.tally.add("numbers compared")
        if answer.complete and not bound.exact:
            self.problems.append(f"{what}: {bound} in a complete answer")
        elif not bound.low - slack <= truth <= bound.high + slack:
            self.problems.append(f"{what}: expected {truth}, got {_words(bound)}")

    def rows(self, match: Sequence[Fact]) -> None:
        """Judge the rows of a list that have an id."""
        table = self.answer.table("id")
        if table is None or not self.answer.complete:
            return
        by_id = {f"{fact.user_id}_{fact.course_id}": fact for fact in match}
        header, rows = table
        for row in rows:
            cells = dict(zip(header, row, strict=True))
            fact = by_id.get(cells["id"])
            self.tally.add("rows compared")
            if fact is None:
                self.problems.append(f"row {row} is not in the match")
            elif cells.get("status", fact.status) != fact.status and not _UNSEEN_ENDS.search(self.answer.text):
                self.problems.append(f"row {row}: expected status {fact.status}")
            elif "progress" in cells and cells["progress"] != str(fact.percent):
                self.problems.append(f"row {row}: expected progress {fact.percent}")

    def groups(self, question: Question, expected: Mapping[str, Mapping[str, int]], model: PortalModel) -> None:
        """Judge the lines of a table by one key."""
        group = question.group
        table = self.answer.table(group, "not enrolled" if question.asks_who_is_missing else "enrollments")
        if table is None:
            return
        header, rows = table
        ids = {"course": model.titles, "learner": model.names}.get(group, {})
        columns = ("finished",) if question.asks_for_a_period else _COUNTED
        for row in rows:
            cells = dict(zip(header, row, strict=True))
            counts = expected.get(ids.get(row[0], row[0]), {})
            for column in columns:
                bound = to_bound(cells.get(column, ""))
                unread = int(cells.get("outcome not read") or 0)
                self.number(f"{group} {row[0]}, {column}", bound, counts.get(column, 0), slack=unread)
        whole = f"All {len(rows)} " in self.answer.text or len(rows) <= 1
        lacking = expected.keys() - {ids.get(row[0], row[0]) for row in rows}
        if group in (question.asked.get("where") or {}):  # of people in several teams, only the asked one has a line
            lacking &= {question.asked["where"][group]}
        if self.answer.complete and whole and lacking:
            self.problems.append(f"no line for {sorted(lacking)}")


_MEASURED = ("enrollments", "finished", "overdue", "due 14d", "not started", "at risk")
_COUNTED = (*_MEASURED, "not enrolled", "learners")


def _group_counts(match: Sequence[Fact], key: str) -> dict[str, dict[str, int]]:
    groups: dict[str, list[Fact]] = {}
    for fact in match:
        for value in values_of(fact, key):
            groups.setdefault(value, []).append(fact)
    return {
        value: {
            **{measure: number(of_group, measure) for measure in _MEASURED},
            "learners": len({fact.user_id for fact in of_group}),
        }
        for value, of_group in groups.items()
    }


def _missing_counts(model: PortalModel, pairs: Sequence[tuple[str, str]], key: str) -> dict[str, dict[str, int]]:
    counts: Counter[str] = Counter()
    for user_id, course_id in pairs:
        counts.update((course_id,) if key == "course" else places_of(model.people[user_id])[key])
    return {value: {"not enrolled": count} for value, count in counts.items()}


def _words(bound: Bound) -> str:
    return f"{bound.low:g}" if bound.exact else f"{bound.low:g} to {bound.high:g}"
