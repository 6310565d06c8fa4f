"""Names as people type them, resolved to learners and courses; never merged in silence.

An id, an e-mail or a code stands for one; a whole name for those who bear it; part of a name for all who have all its
words. Active people and current courses come first: only where there is no other match does a name stand for an
inactive person or an archived course, which is then shown because it was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sqlalchemy import Connection

from mcp_truto_lms.errors import QueryError
from mcp_truto_lms.query import GroupBy
from mcp_truto_lms.store import read
from mcp_truto_lms.store.fold import fold
from mcp_truto_lms.store.read import Match
from mcp_truto_lms.table import clean

SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class Named:
    """A term of the question, and whom or what it stands for."""

    term: str
    matches: tuple[Match, ...]


def resolve(connection: Connection, account: str, by: GroupBy, terms: Sequence[str]) -> tuple[Named, ...]:
    """Resolve every term.

    Raises:
        QueryError: a term stands for nobody or nothing; the message offers the nearest names.
    """
    found: list[Named] = []
    for term in terms:
        matches = _matches(connection, account, by, term)
        if not matches:
            raise QueryError(_nothing(connection, account, by, term))
        found.append(Named(term, matches))
    return tuple(found)


def knows(connection: Connection, account: str, by: GroupBy, term: str) -> bool:
    """Tell whether a term is an id, an e-mail or code, or a whole name in the store."""
    return any(
        term.lower() in texts or term == match.id for match, texts in read.candidates(connection, account, by, term)
    )


def finds(connection: Connection, account: str, by: GroupBy, term: str) -> bool:
    """Tell whether a term stands for anybody or anything in the store, in part at least."""
    return bool(_matches(connection, account, by, term))


def _matches(connection: Connection, account: str, by: GroupBy, term: str) -> tuple[Match, ...]:
    found = read.candidates(connection, account, by, term)
    folded = fold(term)
    by_id = [match for match, _ in found if match.id == term]
    exact = [match for match, texts in found if term.lower() in texts or (folded and folded in texts)]
    in_part = [match for match, _ in found] if folded else []  # marks alone fold to nothing, which is in every name
    matches = by_id or exact or in_part
    return tuple(one for one in matches if not one.left_out) or tuple(matches)


def _nothing(connection: Connection, account: str, by: GroupBy, term: str) -> str:
    by_folded = {fold(name): name for name in read.names(connection, account, by)}
    folded = fold(term)
    near = get_close_matches(folded, by_folded, n=SUGGESTIONS, cutoff=0.55)
    words = {part: name for name in by_folded for part in name.split()}
    for word in folded.split():
        near += [words[one] for one in get_close_matches(word, words, n=2, cutoff=0.75)]
    names = list(dict.fromkeys(clean(by_folded[one]) for one in near))[:SUGGESTIONS]
    kind = "course with this id, code or title" if by is GroupBy.COURSE else "learner with this id, e-mail or name"
    hint = f" Nearest: {', '.join(names)}." if names else ""
    return f"No {kind}: {term[:80]!r}, among {len(by_folded)} names.{hint}"
