"""The expected answers about the sample organisation, counted from its own data.

The definitions are those of `tests/truth.py`, stated in plain Python: the mapping, the store and its SQL have no part
in them. Days are those of the portal, in Athens. Prints nothing; `bench/questions.py` and tests use it.
"""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from bench.reading import Row, Table, Truth
from mcp_truto_lms.sandbox.records import Organisation, SamplePerson
from tests.truth import Fact, facts

ATHENS = ZoneInfo("Europe/Athens")
MANDATORY = ("SEC-26", "COC-01", "GDPR-1", "ABC-1")
"""The codes of the courses that HR calls mandatory; the LMS does not report it."""
TEAMS = {
    "Sales": ("Account Manager", "Sales Representative"),
    "Warehouse": ("Forklift Driver", "Warehouse Operator", "Shift Lead", "Quality Inspector"),
    "Transport": ("Dispatcher", "Driver", "Planner"),
    "Technology": ("Data Analyst", "Engineer", "IT Administrator", "Software Engineer"),
}
"""The job titles of each team in the people file; everybody else is in the team Office."""
MANAGERS = {
    "Sales": ("Ines Vogel",),
    "Warehouse": ("Tariq Aziz", "Ruth Bergman", "Paolo Conti"),
    "Transport": ("Hanna Virtanen",),
    "Technology": ("Dmitri Orlov", "Ruta Kalnina"),
    "Office": ("Lena Fuchs",),
}
"""The managers of each team, assigned by the remainder of the person's id."""


def team_of(person: SamplePerson) -> str:
    """Name somebody's team in the people file."""
    return next((team for team, jobs in TEAMS.items() if person.custom_fields[0] in jobs), "Office")


def manager_of(person: SamplePerson) -> str:
    """Name somebody's manager in the people file."""
    managers = MANAGERS[team_of(person)]
    return managers[int(person.id) % len(managers)]


def write_people_file(organisation: Organisation, path: Path) -> None:
    """Write the teams and managers as a people file for the server."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "team", "manager"])
        writer.writerows([person.email, team_of(person), manager_of(person)] for person in organisation.people)


def settings_of(people_file: Path) -> dict[str, str]:
    """Return the settings that the questions need."""
    return {"MCP_TRUTO_LMS_PEOPLE_FILE": str(people_file), "MCP_TRUTO_LMS_MANDATORY_COURSES": ",".join(MANDATORY)}


def visible(text: str) -> str:
    """Write a name as an answer shows it: visible characters on one line, 80 at most."""
    characters = "".join(" " if char.isspace() else char for char in text if char.isprintable() or char.isspace())
    line = " ".join(unicodedata.normalize("NFC", characters).split())
    return line if len(line) <= 80 else line[:79].rstrip() + "…"


def day(moment: int | None) -> str:
    """Write the day of a moment in the portal's time zone."""
    return "" if moment is None else datetime.fromtimestamp(moment, ATHENS).date().isoformat()


def start_of_day(year: int, month: int, day_of_month: int) -> int:
    """Return the epoch seconds at which a day begins in the portal's time zone."""
    return int(datetime(year, month, day_of_month, tzinfo=ATHENS).timestamp())


def by_due(fact: Fact) -> float:
    """Sort by the due date; enrollments without one come last."""
    return float("inf") if fact.due is None else fact.due


class ExpectedAnswers:
    """The expected answers about one organisation."""

    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation
        self.facts = facts(organisation)
        self.people = {person.id: person for person in organisation.people}

    @cached_property
    def names(self) -> dict[str, str]:
        """The printed names by id; names that several active people have carry the id."""
        printed = {person.id: visible(f"{person.first_name} {person.last_name}") for person in self.organisation.people}
        uses = Counter(printed[person.id] for person in self.organisation.people if person.active)
        return {key: name if uses[name] == 1 else f"{name} (id {key})" for key, name in printed.items()}

    def course_id(self, title: str) -> str:
        """Return the id of a course."""
        return next(course.id for course in self.organisation.courses if course.name == title)

    def where(self, test: Callable[[Fact], bool]) -> list[Fact]:
        """Select enrollments."""
        return [fact for fact in self.facts if test(fact)]

    def finished_between(self, since: int, before: int) -> list[Fact]:
        """Select the enrollments that were finished in a period."""
        return self.where(
            lambda fact: fact.finished and fact.completed is not None and since <= fact.completed < before
        )

    def pages_of_course(self, *titles: str) -> tuple[str, ...]:
        """List the unified endpoint's lists that hold the enrollments of some courses."""
        return tuple(f"course-enrollments?course[id]={self.course_id(title)}" for title in titles)

    def pages_of_people(self, test: Callable[[SamplePerson], bool]) -> tuple[str, ...]:
        """List the unified endpoint's lists that hold the enrollments of some people."""
        ids = sorted({fact.user_id for fact in self.facts if test(self.people[fact.user_id])}, key=int)
        return tuple(f"course-enrollments?user[id]={user_id}" for user_id in ids)

    def value(self, fact: Fact, column: str) -> str:
        """Write a cell of an enrollment's row, or the key of its group."""
        match column:
            case "learner":
                return self.names[fact.user_id]
            case "course":
                return visible(fact.course)
            case "status":
                return fact.status
            case "progress":
                return str(fact.percent)
            case "due" | "enrolled" | "completed":
                return day(getattr(fact, column))
            case "signals":
                overdue = f"overdue {fact.days_late} d"
                return "; ".join(overdue if signal == "overdue" else signal for signal in fact.signals)
            case "team":
                return team_of(self.people[fact.user_id])
            case "manager":
                return manager_of(self.people[fact.user_id])
            case "site":
                return fact.site or "(none)"
            case _:
                return getattr(fact, column)

    def rows(
        self,
        matches: Sequence[Fact],
        columns: str = "learner,course,status,progress,due",
        *,
        sort_key: Callable[[Fact], float] = by_due,
        limit: int = 25,
    ) -> Truth:
        """Expect a list of enrollments."""
        names = tuple(columns.split(","))
        rows = [Row(sort_key(fact), tuple(self.value(fact, column) for column in names)) for fact in matches]
        first = f"{min(limit, len(rows)):,} of {len(rows):,} enrollments"
        return Truth(first, tables=(Table(names, tuple(rows), limit),))

    def groups(
        self,
        matches: Sequence[Fact],
        by: str,
        columns: str = "enrollments,finished,%,overdue,due 14d,not started,hours,avg %",
        *,
        sort_key: Callable[[Sequence[Fact]], float] = lambda group: -sum(fact.overdue for fact in group),
        limit: int = 25,
        cell: Callable[[Sequence[Fact], str], str] | None = None,
    ) -> Table:
        """Expect a row for each group."""
        grouped: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
        for fact in matches:
            grouped[tuple(self.value(fact, name) for name in by.split(","))].append(fact)
        print_cell = cell or group_cell
        names = tuple(columns.split(","))
        rows = [
            Row(sort_key(group), (*keys, *(print_cell(group, name) for name in names)))
            for keys, group in grouped.items()
        ]
        return Table((*by.split(","), *names), tuple(rows), limit)


def group_cell(group: Sequence[Fact], column: str, is_done: Callable[[Fact], bool] = lambda fact: fact.finished) -> str:
    """Write a number of a group of enrollments."""
    people = by_person(group, is_done)
    done = sum(map(is_done, group))
    numbers: dict[str, float] = {
        "enrollments": len(group),
        "learners": len(people),
        "finished": done,
        "%": 100 * done / len(group),
        "learners %": 100 * sum(map(all, people.values())) / len(people),
        "overdue": sum(fact.overdue for fact in group),
        "due 14d": sum(fact.due_soon for fact in group),
        "not started": sum(fact.not_started for fact in group),
        "at risk": sum(fact.at_risk for fact in group),
        "avg %": sum(fact.percent for fact in group) / len(group),
    }
    if column == "hours":
        hours = hours_spent(group)
        return f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}"
    return f"{numbers[column]:.0f}"


def by_person(group: Iterable[Fact], is_done: Callable[[Fact], bool]) -> dict[str, list[bool]]:
    """Group by person whether each enrollment is done."""
    people: dict[str, list[bool]] = defaultdict(list)
    for fact in group:
        people[fact.user_id].append(is_done(fact))
    return people


def descending(sort_key: Callable[[Sequence[Fact]], float]) -> Callable[[Sequence[Fact]], float]:
    """Sort groups by the highest value first."""
    return lambda group: -sort_key(group)


def completion_rate(group: Sequence[Fact]) -> float:
    """Return the share of finished enrollments."""
    return sum(fact.finished for fact in group) / len(group)


def learner_rate(group: Sequence[Fact]) -> float:
    """Return the share of learners who finished all their enrollments."""
    people = by_person(group, lambda fact: fact.finished)
    return sum(map(all, people.values())) / len(people)


def hours_spent(group: Sequence[Fact]) -> float:
    """Return the hours spent in a group of enrollments."""
    return sum(fact.seconds for fact in group) / 3600


def totals(matches: Sequence[Fact]) -> str:
    """Write the beginning of a summary."""
    numbers = (
        (len(matches), "enrollment"),
        (len({fact.user_id for fact in matches}), "learner"),
        (len({fact.course_id for fact in matches}), "course"),
    )
    return ", ".join(f"{number:,} {word}{'' if number == 1 else 's'}" for number, word in numbers)


def headline(matches: Sequence[Fact], *, with_risk: bool = False) -> str:
    """Write the numbers of a whole match."""
    at_risk = f", at risk {int(group_cell(matches, 'at risk')):,}" if with_risk else ""
    return (
        f"finished {int(group_cell(matches, 'finished')):,} ({group_cell(matches, '%')} %), "
        f"overdue {int(group_cell(matches, 'overdue')):,}, due in 14 days {int(group_cell(matches, 'due 14d')):,}, "
        f"not started {int(group_cell(matches, 'not started')):,}{at_risk}, "
        f"{hours_spent(matches):,.1f} hours spent."
    )


def statuses(matches: Sequence[Fact]) -> str:
    """Write how many enrollments have each status, the most frequent first."""
    numbers = Counter(fact.status for fact in matches).most_common()
    return f"By status: {', '.join(f'{name} {number:,}' for name, number in numbers)}."


def at_risk_table(expected: ExpectedAnswers, matches: Iterable[Fact], limit: int) -> Table:
    """Expect the learners with the most signals."""
    people: dict[str, list[Fact]] = defaultdict(list)
    for fact in matches:
        people[fact.user_id].append(fact)
    rows: list[Row] = []
    for user_id, group in people.items():
        counts = Counter(signal for fact in group for signal in fact.signals)
        overdue = f"overdue up to {max(fact.days_late for fact in group)} d"
        printed = [
            f"{counts[signal]} {overdue if signal == 'overdue' else signal}"
            for signal in ("overdue", "failed", "due soon", "not started")
            if counts[signal]
        ]
        rows.append(Row(-sum(counts.values()), (expected.names[user_id], str(len(group)), "; ".join(printed))))
    return Table(("learner", "at risk", "signals"), tuple(rows), limit)


def month_table(expected: ExpectedAnswers) -> Table:
    """Expect a row for each month from the first to the last with an enrollment or a completion."""
    shown = ("enrollments", "finished", "%", "finished in month", "overdue", "due 14d", "not started", "hours", "avg %")
    empty_cells = {"%": "", "hours": "", "avg %": ""}
    enrolled_months = {fact.enrolled_month for fact in expected.facts}
    months = sorted(enrolled_months | {fact.completed_month or "~" for fact in expected.facts})
    first, last = (int(name[:4]) * 12 + int(name[5:]) - 1 for name in (months[0], months[-2]))
    rows: list[Row] = []
    for number in range(first, last + 1):
        name = f"{number // 12}-{number % 12 + 1:02d}"
        group = [fact for fact in expected.facts if fact.enrolled_month == name]
        cells = {
            column: group_cell(group, column) if group else empty_cells.get(column, "0")
            for column in shown
            if column != "finished in month"
        }
        cells["finished in month"] = str(sum(fact.completed_month == name for fact in expected.facts))
        rows.append(Row(number, (name, *(cells[column] for column in shown))))
    return Table(("month", *shown), tuple(rows), 25)
