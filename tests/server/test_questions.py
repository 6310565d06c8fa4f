"""Every question of `bench/questions.py` gets the right answer, and no wrong answer is accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.expected_answers import MANDATORY, write_people_file
from bench.question import Question
from bench.questions import make_questions
from bench.reading import Row, Table, Truth, find_mistake
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation
from tests.conftest import TODAY, OpenDesk

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def organisation() -> Organisation:
    """All people, so that the answers to no two questions are alike."""
    return generate(today=TODAY)


@pytest.fixture(scope="module")
def questions(organisation: Organisation) -> list[Question]:
    return make_questions(organisation)


@pytest.fixture(scope="module")
async def answers(
    open_desk: OpenDesk, organisation: Organisation, questions: list[Question], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """Ask one server all questions in their order."""
    people_file = tmp_path_factory.mktemp("people") / "people.csv"
    write_people_file(organisation, people_file)
    async with open_desk(people_file=str(people_file), mandatory_courses=MANDATORY) as desk:
        return [await desk.ask(question.tool, **question.arguments) for question in questions]


async def test_every_answer_is_right(questions: list[Question], answers: list[str]):
    mistakes = {
        question.words: find_mistake(answer, question.truth)
        for question, answer in zip(questions, answers, strict=True)
    }
    assert len(mistakes) == len(questions) >= 24
    assert {words: mistake for words, mistake in mistakes.items() if mistake} == {}


async def test_no_answer_is_accepted_for_another_question(questions: list[Question], answers: list[str]):
    accepted = {
        (question.words, other)
        for index, question in enumerate(questions)
        for other, answer in enumerate(answers)
        if other != index and not find_mistake(answer, question.truth)
    }
    assert accepted == set()


def falsified(truth: Truth, answer: str) -> Iterator[Truth]:
    """Change one thing in the truth, so that a right answer is wrong: each number, name, row and sentence."""
    yield replace(truth, first=re.sub(r"\d+", lambda match: str(int(match[0]) + 1), truth.first))
    for index, sentence in enumerate(truth.sentences):
        changed = re.sub(r"\d", lambda match: str((int(match[0]) + 1) % 10), sentence, count=1)
        yield replace(truth, sentences=(*truth.sentences[:index], changed, *truth.sentences[index + 1 :]))
    for index, table in enumerate(truth.tables):
        for other in falsified_tables(table, answer):
            yield replace(truth, tables=(*truth.tables[:index], other, *truth.tables[index + 1 :]))


def falsified_tables(table: Table, answer: str) -> Iterator[Table]:
    first = next(
        row for row in sorted(table.rows, key=lambda row: row.sort_key) if all(cell in answer for cell in row.cells)
    )
    rest = tuple(row for row in table.rows if row is not first)
    for index, cell in enumerate(first.cells):
        cells = (*first.cells[:index], f"{cell}1", *first.cells[index + 1 :])
        yield replace(table, rows=(Row(first.sort_key, cells), *rest))
    yield replace(table, columns=(*table.columns, "more"), rows=tuple(with_another_cell(row) for row in table.rows))
    new_row = Row(first.sort_key - 1, ("new",) * len(first.cells))
    yield replace(table, limit=len(table.rows) + 1, rows=(*table.rows, new_row))
    if rest:
        yield replace(table, rows=rest)
    if len({row.sort_key for row in table.rows}) > 1:
        yield replace(table, rows=tuple(Row(-row.sort_key, row.cells) for row in table.rows))


def with_another_cell(row: Row) -> Row:
    return Row(row.sort_key, (*row.cells, "9"))


async def test_a_right_answer_is_refused_once_anything_in_it_differs(questions: list[Question], answers: list[str]):
    number = 0
    for question, answer in zip(questions, answers, strict=True):
        for truth in falsified(question.truth, answer):
            number += 1
            assert find_mistake(answer, truth), (question.words, truth)
    assert number > 8 * len(questions)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,2\nThat is all.", ""),
        ("3 of 3 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,2\nThat is all.", "the first line"),
        ("2 of 2 enrollments. As of now, 1 of 2 read.\nlearner,due\nAnn,1\nBob,2\nThat is all.", "it is not complete"),
        ("2 of 2 enrollments. As of now, complete.\nThat is all.", "there is no table"),
        ("2 of 2 enrollments. As of now, complete.\ndue,learner\n1,Ann\n2,Bob\nThat is all.", "the columns are"),
        ("2 of 2 enrollments. As of now, complete.\nlearner\nAnn\nBob\nThat is all.", "there is no column due"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nThat is all.", "the row ('That is all.',)"),
        (
            "2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,2\nCid,3\nThat is all.",
            "it does not have 2",
        ),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,3\nThat is all.", "the row ('Bob', '3')"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nAnn,1\nThat is all.", "a row is there twice"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nBob,2\nAnn,1\nThat is all.", "these are not"),
        ("2 of 2 enrollments. As of now, complete.\nlearner,due\nAnn,1\nBob,2\nThat is no total.", "it lacks"),
    ],
)
def test_the_first_mistake_is_described(text: str, mistake: str):
    rows = (Row(2, ("Bob", "2")), Row(1, ("Ann", "1")))
    truth = Truth("2 of 2 enrollments", ("That is all.",), (Table(("learner", "due"), rows, 25),))
    assert find_mistake(text, truth).startswith(mistake)
    assert bool(find_mistake(text, truth)) == bool(mistake)
