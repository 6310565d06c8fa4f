"""Names as people type them, resolved to learners and courses; never merged in silence.

An id, an e-mail or a code stands for one; a whole name, in any order of its words, for those who bear it; part of a
name for all who have all its words, where a lone letter, as in `J. Doe`, is the beginning of one. Case, accents and
punctuation do not matter. A typo resolves to nobody: it is answered with the nearest names.

Active people and current courses come first: only where there is no other match does a name stand for an inactive
person or an archived course, which is then shown because it was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.domain.nearest_name import nearest_names, split_words
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.domain.redaction import storable
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store import name_search
from mcp_truto_lms.store.name_search import Match

SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class ResolvedTerm:
    """A term of the question, and whom or what it stands for."""

    term: str
    matches: tuple[Match, ...]


def resolve(
    connection: Connection, account: str, by: GroupBy, terms: Sequence[str], columns: Columns = ALL_COLUMNS
) -> tuple[ResolvedTerm, ...]:
    """Resolve every term.

    Raises:
        QueryError: a term stands for nobody or nothing, and the message offers the nearest names; or for too many.
    """
    found = ((one, matches(connection, account, by, one)) for one in terms)
    return tuple(named(connection, account, by, term, known, columns) for term, known in found)


def named(
    connection: Connection,
    account: str,
    by: GroupBy,
    term: str,
    found: tuple[Match, ...],
    columns: Columns = ALL_COLUMNS,
) -> ResolvedTerm:
    """Name what a term was found to stand for.

    Raises:
        QueryError: it stands for nobody or nothing, and the message offers the nearest names; or for too many.
    """
    if not found:
        raise QueryError(_nothing(connection, account, by, term, columns))
    if len(found) > name_search.MAX_MATCHES:
        many = "courses" if by is GroupBy.COURSE else "people"
        raise QueryError(
            f"{term[:80]!r} is part of the names of more than {name_search.MAX_MATCHES:,} {many}: write more of it."
        )
    return ResolvedTerm(term, found)


def matches(connection: Connection, account: str, by: GroupBy, term: str, *, whole: bool = False) -> tuple[Match, ...]:
    """Find for whom or what a term stands in the store; as a whole, it is an id, an e-mail, a code or a whole name."""
    term = storable(term)
    found = name_search.exact_matches(connection, account, by, term)
    words = [] if whole else _words(term)
    if not found and words:  # marks alone fold to nothing, which is in every name
        in_part = name_search.partial_matches(connection, account, by, words)
        found = [one for one in in_part if sorted(_words(one.name)) == sorted(words)] or in_part
    return tuple(one for one in found if not one.excluded) or tuple(found)


def complete(connection: Connection, account: str, by: GroupBy, prefix: str, limit: int = 20) -> list[str]:
    """List names with a word that begins so: active people and current courses first, then by name."""
    start = normalize(storable(prefix).rstrip("-'\u2019 "))
    return [clean(one) for one in name_search.names_beginning(connection, account, by, start, limit=limit)]


def nearest(term: str, known: Iterable[str], limit: int = SUGGESTIONS) -> list[str]:
    """List the known names that were probably meant, the likeliest first."""
    shown = {normalize(one): one for one in known}
    return [shown[one] for one in nearest_names(normalize(term), shown, limit=limit)]


def _words(text: str) -> list[str]:
    return split_words(normalize(text))


def _nothing(connection: Connection, account: str, by: GroupBy, term: str, columns: Columns) -> str:
    folded = name_search.normalized_names(connection, account, by)
    named = by is GroupBy.COURSE or ("user.name" in columns and not columns.aliases)
    # ids and aliases have no near ones
    near = nearest_names(normalize(term), folded, limit=SUGGESTIONS) if named else []
    shown = name_search.shown_names(connection, account, by, near)
    kind = "course with this id, code or title" if by is GroupBy.COURSE else _learner_words(columns)
    hint = f" Nearest: {', '.join(clean(shown[one]) for one in near)}." if near else ""
    return f"No {kind}: {term[:80]!r}, among {len(folded):,} names.{hint}"


def _learner_words(columns: Columns) -> str:
    if columns.aliases:
        return "learner with this alias"
    email = "user.emails" in columns
    if "user.name" in columns:
        return "learner with this id, e-mail or name" if email else "learner with this id or name"
    return "learner with this id or e-mail" if email else "learner with this id"
