"""Every question of the bench is answered with the truth, and no wrong answer passes for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.office import MANDATORY, write_people_file
from bench.questions import Question, questions
from bench.reading import Row, Table, Truth, wrong
from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import OpenDesk

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def asked(organisation: Organisation) -> list[Question]:
    return questions(organisation)


@pytest.fixture(scope="module")
async def answers(
    open_desk: OpenDesk, organisation: Organisation, asked: list[Question], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """All answers of one server, in the order of the questions."""
    people_file = tmp_path_factory.mktemp("people") / "people.csv"
    write_people_file(organisation, people_file)
    async with open_desk(people_file=str(people_file), mandatory_courses=MANDATORY) as desk:
        return [await desk.ask(one.tool, **one.arguments) for one in asked]


async def test_every_answer_is_right(asked: list[Question], answers: list[str]):
    found = {one.words: wrong(answer, one.truth) for one, answer in zip(asked, answers, strict=True)}
    assert len(found) == len(asked) >= 24
    assert {words: trouble for words, trouble in found.items() if trouble} == {}


async def test_no_answer_passes_for_that_of_another_question(asked: list[Question], answers: list[str]):
    passing = {
        (one.words, other)
        for index, one in enumerate(asked)
        for other, answer in enumerate(answers)
        if other != index and not wrong(answer, one.truth)
    }
    assert passing == set()


def falsified(truth: Truth, answer: str) -> Iterator[Truth]:
    """Change one thing in the truth, which makes a right answer wrong: each number, name, row and sentence."""
    yield replace(truth, first=re.sub(r"\d+", lambda found: str(int(found[0]) + 1), truth.first))
    for index, sentence in enumerate(truth.says):
        changed = re.sub(r"\d", lambda found: str((int(found[0]) + 1) % 10), sentence, count=1)
        yield replace(truth, says=(*truth.says[:index], changed, *truth.says[index + 1 :]))
    for index, table in enumerate(truth.tables):
        for other in falsified_tables(table, answer):
            yield replace(truth, tables=(*truth.tables[:index], other, *truth.tables[index + 1 :]))


def falsified_tables(table: Table, answer: str) -> Iterator[Table]:
    first = next(row for row in sorted(table.rows, key=lambda row: row.key) if all(one in answer for one in row.cells))
    rest = tuple(row for row in table.rows if row is not first)
    for at, cell in enumerate(first.cells):
        cells = (*first.cells[:at], f"{cell}1", *first.cells[at + 1 :])
        yield replace(table, rows=(Row(first.key, cells), *rest))
    yield replace(table, columns=(*table.columns, "more"), rows=tuple(added(row) for row in table.rows))
    yield replace(table, limit=len(table.rows) + 1, rows=(*table.rows, Row(first.key - 1, ("new",) * len(first.cells))))
    if rest:
        yield replace(table, rows=rest)
    if len({row.key for row in table.rows}) > 1:
        yield replace(table, rows=tuple(Row(-row.key, row.cells) for row in table.rows))


def added(row: Row) -> Row:
    return Row(row.key, (*row.cells, "9"))


async def test_a_right_answer_is_wrong_once_anything_in_it_differs(asked: list[Question], answers: list[str]):
    number = 0
    for one, answer in zip(asked, answers, strict=True):
        for truth in falsified(one.truth, answer):
            number += 1
            assert wrong(answer, truth), (one.words, truth)
    assert number > 8 * len(asked)


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,2\nThat is all.", ""),
        ("3 of 3 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,2\nThat is all.", "the first line"),
        ("2 of 2 enrollments. As of now, 1 of 2 read.\nlearner,due\nAnn,1\nBob,2\nThat is all.", "it is not complete"),
        ("2 of 2 enrollments. As of now, complete.\nThat is all.", "there is no table"),
        ("2 of 2 enrollments. As of now, complete.\ndue,learner\n1,Ann\n2,Bob\nThat is all.", "the columns are"),
        ("2 of 2 enrollments. As of now, complete.\nlearner\nAnn\nBob\nThat is all.", "there is no column due"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nThat is all.", "it has"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,2\nCid,3\nThat is all.", "it has not 2"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,3\nThat is all.", "it has ('Bob', '3')"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nAnn,1\nThat is all.", "a row comes twice"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nBob,2\nAnn,1\nThat is all.", "these are not"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,2\nThat is no total.", "it does not say"),
    ],
)
def test_the_reader_says_what_is_wrong(text: str, trouble: str):
    rows = (Row(2, ("Bob", "2")), Row(1, ("Ann", "1")))
    truth = Truth("2 of 2 enrollments", ("That is all.",), (Table(("learner", "due"), rows, 25),))
    assert wrong(text, truth).startswith(trouble)
    assert bool(wrong(text, truth)) == bool(trouble)
