"""The people file where people are pseudonymized: rows join by sealed addresses, and no column identifies anybody.

A column that says who the person of a row is, by its header or because most of its values are words of the person's
own name, is removed. A column that names other people, as `manager` does, shows aliases; so does any column of which a
value is the name, address or login of somebody in the LMS, or contains an `@`. All other columns stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mcp_truto_lms.domain.pseudonyms import ALIAS, Pseudonymizer, name_words
from mcp_truto_lms.people.people_file import People, Person

_IDENTIFYING_HEADER = re.compile(
    r"((first|last|full|display|given|family|middle|user|login) ?)?name|surname|forename|nick(name)?|login|account"
    r"|((mobile|cell) ?|tele)?phone( number)?|mobile( number)?|(home )?address|birthday|date of birth"
    r"|((employee|personnel|staff|badge) ?)?(id|no|number)|notes?|comments?"
)
_OTHER_PERSON_HEADER = re.compile(
    r"(line |team )?manager( name| e ?mail)?|supervisor|boss|(team ?)?lead(er)?|head|report(s|ing) to|mentor|buddy"
    r"|trainer|instructor"
)
MAX_NAME_WORDS = 4
"""The most neighbouring words of a value that are compared with a whole name."""


@dataclass(frozen=True, slots=True)
class SealedLearner:
    """A learner.

    Args:
        seals: of the names, addresses and logins
    """

    id: str
    alias: str
    seals: frozenset[str]


def seal_emails(people: People, pseudonymizer: Pseudonymizer) -> People:
    """Seal the addresses by which rows join."""
    rows = (replace(person, email=pseudonymizer.email(person.email) if person.email else "") for person in people.rows)
    return replace(people, rows=tuple(rows))


def redact_people(people: People, pseudonymizer: Pseudonymizer, learners: Sequence[SealedLearner]) -> People:
    """Seal the addresses of a file, and remove or replace what identifies people.

    Args:
        people: the content of the file
        pseudonymizer: of the account
        learners: all people of the LMS
    """
    sealed = seal_emails(people, pseudonymizer)
    by_id = {learner.id: learner for learner in learners}
    by_seal = {seal: learner for learner in learners for seal in learner.seals}
    owners = [by_id.get(row.user_id) or by_seal.get(row.email) for row in sealed.rows]
    columns: dict[str, list[str]] = {}
    for index, header in enumerate(people.columns):
        name, values = header.replace("_", " ").replace("-", " "), [row.values[index] for row in people.rows]
        if _IDENTIFYING_HEADER.fullmatch(name) or _are_own_names(values, owners, pseudonymizer):
            continue
        people_by_value = {value: _named_person(value, pseudonymizer, by_seal) for value in {*values} - {""}}
        names_people = any("@" in value or person for value, person in people_by_value.items())
        if _OTHER_PERSON_HEADER.fullmatch(name) or names_people:
            aliases = {
                value: person.alias if person else _alias_of_unknown(value, pseudonymizer)
                for value, person in people_by_value.items()
            }
            values = [aliases.get(value, "") for value in values]
        columns[header] = values
    rows = tuple(_row(row, index, columns.values()) for index, row in enumerate(sealed.rows))
    return replace(sealed, columns=tuple(columns), rows=rows)


def _row(row: Person, index: int, columns: Collection[Sequence[str]]) -> Person:
    return replace(row, values=tuple(values[index] for values in columns))


def _named_person(
    value: str, pseudonymizer: Pseudonymizer, by_seal: Mapping[str, SealedLearner]
) -> SealedLearner | None:
    """Find the person whom a value names, by an address or a login, or by a whole name anywhere in it."""
    words = name_words(value)
    runs = (
        " ".join(words[start : start + length])
        for length in range(2, MAX_NAME_WORDS + 1)
        for start in range(len(words) - length + 1)
    )
    by_name = (by_seal.get(pseudonymizer.name(text)) for text in (value, *runs))
    return by_seal.get(pseudonymizer.email(value)) or next((learner for learner in by_name if learner), None)


def _alias_of_unknown(value: str, pseudonymizer: Pseudonymizer) -> str:
    """Make the alias of a person whom the LMS does not have."""
    return pseudonymizer.alias(f"of the people file {' '.join(name_words(value))}").replace(ALIAS, "Person")


def _are_own_names(values: Iterable[str], owners: Iterable[SealedLearner | None], pseudonymizer: Pseudonymizer) -> bool:
    """Return whether most values are words of the name of the person of their row."""
    own = filled = 0
    sealed_words: dict[str, list[str]] = {}
    for value, owner in zip(values, owners, strict=True):
        if value and owner is not None:
            filled += 1
            if value not in sealed_words:
                sealed_words[value] = [pseudonymizer.word(word) for word in name_words(value)]
            own += bool(sealed_words[value]) and owner.seals.issuperset(sealed_words[value])
    return own * 2 > filled
