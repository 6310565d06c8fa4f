"""The sample organisation as HR sees it, and what answers about it must say.

All is counted over the organisation's own data, by the definitions as `tests/truth.py` states them in plain Python:
neither the mapping, nor the store, nor its SQL has a part in it. Days are those of the portal, in Athens.
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
"""The codes of the courses that HR calls mandatory; the LMS does not tell."""
TEAMS = {
    "Sales": ("Account Manager", "Sales Representative"),
    "Warehouse": ("Forklift Driver", "Warehouse Operator", "Shift Lead", "Quality Inspector"),
    "Transport": ("Dispatcher", "Driver", "Planner"),
    "Technology": ("Data Analyst", "Engineer", "IT Administrator", "Software Engineer"),
}
MANAGERS = {
    "Sales": ("Ines Vogel",),
    "Warehouse": ("Tariq Aziz", "Ruth Bergman", "Paolo Conti"),
    "Transport": ("Hanna Virtanen",),
    "Technology": ("Dmitri Orlov", "Ruta Kalnina"),
    "Office": ("Lena Fuchs",),
}
"""HR's own dimensions, which no portal has: by job title, and then by turns."""


def team_of(person: SamplePerson) -> str:
    """Say which team HR has somebody in."""
    return next((team for team, jobs in TEAMS.items() if person.custom_fields[0] in jobs), "Office")


def manager_of(person: SamplePerson) -> str:
    """Say whom somebody reports to."""
    managers = MANAGERS[team_of(person)]
    return managers[int(person.id) % len(managers)]


def write_people_file(organisation: Organisation, path: Path) -> None:
    """Write what HR knows of people as the server reads it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "team", "manager"])
        writer.writerows([one.email, team_of(one), manager_of(one)] for one in organisation.people)


def settings_of(people_file: Path) -> dict[str, str]:
    """Give the settings that the questions need."""
    return {"MCP_TRUTO_LMS_PEOPLE_FILE": str(people_file), "MCP_TRUTO_LMS_MANDATORY_COURSES": ",".join(MANDATORY)}


def visible(text: str) -> str:
    """Write a name as it is seen on one line, of 80 characters at most."""
    seen = "".join(" " if one.isspace() else one for one in text if one.isprintable() or one.isspace())
    line = " ".join(unicodedata.normalize("NFC", seen).split())
    return line if len(line) <= 80 else line[:79].rstrip() + "…"


def day(moment: int | None) -> str:
    """Write the day of a moment, where the portal stands."""
    return "" if moment is None else datetime.fromtimestamp(moment, ATHENS).date().isoformat()


def begin(year: int, month: int, number: int) -> int:
    """Say when a day begins."""
    return int(datetime(year, month, number, tzinfo=ATHENS).timestamp())


def by_due(one: Fact) -> float:
    """Order by the due date, what has none last."""
    return float("inf") if one.due is None else one.due


class Office:
    """The organisation as HR sees it."""

    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation
        self.facts = facts(organisation)
        self.people = {one.id: one for one in organisation.people}

    @cached_property
    def names(self) -> dict[str, str]:
        """People by id; those who share a name with somebody active are told apart."""
        seen = {one.id: visible(f"{one.first_name} {one.last_name}") for one in self.organisation.people}
        bearers = Counter(seen[one.id] for one in self.organisation.people if one.active)
        return {key: name if bearers[name] == 1 else f"{name} (id {key})" for key, name in seen.items()}

    def course_id(self, title: str) -> str:
        """Find a course."""
        return next(one.id for one in self.organisation.courses if one.name == title)

    def of(self, test: Callable[[Fact], bool], *, failed_shown: bool = False) -> list[Fact]:
        """Choose enrollments; only transcripts tell who failed."""
        return [
            one for one in (facts(self.organisation, failed_shown=True) if failed_shown else self.facts) if test(one)
        ]

    def finished(self, since: int, before: int) -> list[Fact]:
        """Choose what was finished in a time."""
        return self.of(lambda one: one.finished and one.completed is not None and since <= one.completed < before)

    def pages_of_course(self, *titles: str) -> tuple[str, ...]:
        """Say which lists of the unified endpoint have what is in some courses."""
        return tuple(f"course-enrollments?course[id]={self.course_id(one)}" for one in titles)

    def pages_of_people(self, test: Callable[[SamplePerson], bool]) -> tuple[str, ...]:
        """Say which lists of the unified endpoint have what some people are in."""
        known = sorted({one.user_id for one in self.facts if test(self.people[one.user_id])}, key=int)
        return tuple(f"course-enrollments?user[id]={one}" for one in known)

    def value(self, one: Fact, column: str) -> str:
        """Write a cell of an enrollment's row, or what it is grouped by."""
        match column:
            case "learner":
                return self.names[one.user_id]
            case "course":
                return visible(one.course)
            case "status":
                return one.status
            case "progress":
                return str(one.percent)
            case "due" | "enrolled" | "completed":
                return day(getattr(one, column))
            case "signals":
                late = f"overdue {one.late_days} d"
                return "; ".join(late if word == "overdue" else word for word in one.signals)
            case "team":
                return team_of(self.people[one.user_id])
            case "manager":
                return manager_of(self.people[one.user_id])
            case "site":
                return one.site or "(none)"
            case _:
                return getattr(one, column)

    def rows(
        self,
        found: Sequence[Fact],
        columns: str = "learner,course,status,progress,due",
        *,
        key: Callable[[Fact], float] = by_due,
        limit: int = 25,
    ) -> Truth:
        """Expect a list of enrollments."""
        names = tuple(columns.split(","))
        rows = [Row(key(one), tuple(self.value(one, column) for column in names)) for one in found]
        first = f"{min(limit, len(rows)):,} of {len(rows):,} enrollments"
        return Truth(first, tables=(Table(names, tuple(rows), limit),))

    def groups(
        self,
        found: Sequence[Fact],
        by: str,
        columns: str = "enrollments,finished,%,overdue,due 14d,not started,hours,avg %",
        *,
        key: Callable[[Sequence[Fact]], float] = lambda group: -sum(one.overdue for one in group),
        limit: int = 25,
        number: Callable[[Sequence[Fact], str], str] | None = None,
    ) -> Table:
        """Expect a line for each group."""
        together: dict[tuple[str, ...], list[Fact]] = defaultdict(list)
        for one in found:
            together[tuple(self.value(one, name) for name in by.split(","))].append(one)
        count = number or counted
        names = tuple(columns.split(","))
        lines = [Row(key(group), (*keys, *(count(group, name) for name in names))) for keys, group in together.items()]
        return Table((*by.split(","), *names), tuple(lines), limit)


def counted(group: Sequence[Fact], column: str, is_done: Callable[[Fact], bool] = lambda one: one.finished) -> str:
    """Write a number of a group of enrollments."""
    people = by_person(group, is_done)
    done = sum(map(is_done, group))
    numbers: dict[str, float] = {
        "enrollments": len(group),
        "learners": len(people),
        "finished": done,
        "%": 100 * done / len(group),
        "learners %": 100 * sum(map(all, people.values())) / len(people),
        "overdue": sum(one.overdue for one in group),
        "due 14d": sum(one.due_soon for one in group),
        "not started": sum(one.not_started for one in group),
        "at risk": sum(one.at_risk for one in group),
        "avg %": sum(one.percent for one in group) / len(group),
    }
    if column == "hours":
        spent = abs(hours(group))
        return f"{spent:.0f}" if spent >= 10 else f"{spent:.1f}"
    return f"{numbers[column]:.0f}"


def by_person(group: Iterable[Fact], is_done: Callable[[Fact], bool]) -> dict[str, list[bool]]:
    """Say of each person which of their enrollments are done."""
    people: dict[str, list[bool]] = defaultdict(list)
    for one in group:
        people[one.user_id].append(is_done(one))
    return people


def rate(group: Sequence[Fact]) -> float:
    """Order by the completion rate, lowest first."""
    return sum(one.finished for one in group) / len(group)


def hours(group: Sequence[Fact]) -> float:
    """Order by the hours spent, most first."""
    return -sum(one.seconds for one in group) / 3600


def idle_share(group: Sequence[Fact]) -> float:
    """Order by the share of learners who finished all of theirs, highest first."""
    people = by_person(group, lambda one: one.finished)
    return -sum(map(all, people.values())) / len(people)


def totals(found: Sequence[Fact]) -> str:
    """Write the beginning of a summary."""
    numbers = (
        (len(found), "enrollment"),
        (len({one.user_id for one in found}), "learner"),
        (len({one.course_id for one in found}), "course"),
    )
    return ", ".join(f"{number:,} {word}{'' if number == 1 else 's'}" for number, word in numbers)


def headline(found: Sequence[Fact], *, risk: bool = False) -> str:
    """Write the numbers of a whole match."""
    at_risk = f", at risk {int(counted(found, 'at risk')):,}" if risk else ""
    return (
        f"finished {int(counted(found, 'finished')):,} ({counted(found, '%')} %), "
        f"overdue {int(counted(found, 'overdue')):,}, due in 14 days {int(counted(found, 'due 14d')):,}, "
        f"not started {int(counted(found, 'not started')):,}{at_risk}, "
        f"{abs(hours(found)):,.1f} hours spent."
    )


def statuses(found: Sequence[Fact]) -> str:
    """Write how many have which status, most first."""
    numbers = Counter(one.status for one in found).most_common()
    return f"By status: {', '.join(f'{name} {number:,}' for name, number in numbers)}."


def troubled(office: Office, found: Iterable[Fact], limit: int) -> Table:
    """Expect the learners with most signs of trouble."""
    people: dict[str, list[Fact]] = defaultdict(list)
    for one in found:
        people[one.user_id].append(one)
    rows: list[Row] = []
    for key, group in people.items():
        signs = Counter(word for one in group for word in one.signals)
        late = f"overdue up to {max(one.late_days for one in group)} d"
        told = [
            f"{signs[word]} {late if word == 'overdue' else word}"
            for word in ("overdue", "failed", "due soon", "not started")
            if signs[word]
        ]
        rows.append(Row(-sum(signs.values()), (office.names[key], str(len(group)), "; ".join(told))))
    return Table(("learner", "at risk", "signals"), tuple(rows), limit)


def by_month(office: Office) -> Table:
    """Expect a line for each month in which somebody was enrolled or finished, and for those between."""
    shown = ("enrollments", "finished", "%", "finished in month", "overdue", "due 14d", "not started", "hours", "avg %")
    nothing = {"%": "", "hours": "", "avg %": ""}
    months = sorted({one.enrolled_month for one in office.facts} | {one.completed_month or "~" for one in office.facts})
    first, last = (int(name[:4]) * 12 + int(name[5:]) - 1 for name in (months[0], months[-2]))
    rows: list[Row] = []
    for number in range(first, last + 1):
        name = f"{number // 12}-{number % 12 + 1:02d}"
        group = [one for one in office.facts if one.enrolled_month == name]
        cells = {
            column: counted(group, column) if group else nothing.get(column, "0")
            for column in shown
            if column != "finished in month"
        }
        cells["finished in month"] = str(sum(one.completed_month == name for one in office.facts))
        rows.append(Row(number, (name, *(cells[column] for column in shown))))
    return Table(("month", *shown), tuple(rows), 25)
