"""A question of the benchmark: one call of a tool, and what its answer must contain. Prints nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.reading import Truth

LIST, SUMMARIZE = "list_course_enrollments", "summarize_learner_progress"
EVERYTHING = ("course-enrollments",)


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its call and its expected answer.

    Args:
        words: the question as a person asks it
        tool: the tool of the one call
        arguments: the arguments of the one call
        needs: the lists of the unified endpoint that hold the same data, filtered as far as the endpoint can
        truth: what the answer must contain
    """

    words: str
    tool: str
    arguments: Mapping[str, Any]
    needs: tuple[str, ...]
    truth: Truth


def list_question(words: str, needs: tuple[str, ...], truth: Truth, **arguments: Any) -> Question:
    """Make a question that a list answers."""
    return Question(words, LIST, arguments, needs, truth)


def summary_question(words: str, needs: tuple[str, ...], truth: Truth, **arguments: Any) -> Question:
    """Make a question that a summary answers."""
    return Question(words, SUMMARIZE, arguments, needs, truth)
