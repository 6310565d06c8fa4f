"""The people file behind a veil: it joins by sealed addresses, and its columns name nobody.

A column that says who a person is (by its header, or because most of its values are words of the person's own name) is
left out. One that names people otherwise, as `manager` does, or any of whose values has the name, the address or the
login of somebody in the LMS, or an `@`, is given in aliases. All others stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mcp_truto_lms.domain.pseudonyms import ALIAS, Pseudonymizer, name_words
from mcp_truto_lms.people.people_file import People, Person

_THEIR_OWN = re.compile(
    r"((first|last|full|display|given|family|middle|user|login) ?)?name|surname|forename|nick(name)?|login|account"
    r"|((mobile|cell) ?|tele)?phone( number)?|mobile( number)?|(home )?address|birthday|date of birth"
    r"|((employee|personnel|staff|badge) ?)?(id|no|number)|notes?|comments?"
)
_OF_OTHERS = re.compile(
    r"(line |team )?manager( name| e ?mail)?|supervisor|boss|(team ?)?lead(er)?|head|report(s|ing) to|mentor|buddy"
    r"|trainer|instructor"
)
LONGEST_NAME = 4
"""In words: so many of a value in a row are looked at for a name."""


@dataclass(frozen=True, slots=True)
class Known:
    """A learner, and the seals of what they are called and reached by."""

    id: str
    alias: str
    seals: frozenset[str]


def sealed_keys(people: People, seal: Pseudonymizer) -> People:
    """Seal the addresses by which rows join."""
    rows = tuple(replace(one, email=seal.email(one.email) if one.email else "") for one in people.rows)
    return replace(people, rows=rows)


def without_names(people: People, seal: Pseudonymizer, learners: Sequence[Known]) -> People:
    """Seal a file and take names out of it.

    Args:
        people: the file
        seal: of the account
        learners: everybody whom the LMS has
    """
    sealed = sealed_keys(people, seal)
    by_id = {one.id: one for one in learners}
    by_seal = {each: one for one in learners for each in one.seals}
    owners = [by_id.get(row.user_id) or by_seal.get(row.email) for row in sealed.rows]
    columns: dict[str, list[str]] = {}
    for place, header in enumerate(people.columns):
        form, values = header.replace("_", " ").replace("-", " "), [row.values[place] for row in people.rows]
        named = {value: _named(value, seal, by_seal) for value in {*values} - {""}}
        if _THEIR_OWN.fullmatch(form) or _are_their_own(values, owners, seal):
            continue
        if _OF_OTHERS.fullmatch(form) or any("@" in value or one for value, one in named.items()):
            shown = {value: one.alias if one else _stranger(value, seal) for value, one in named.items()}
            values = [shown.get(value, "") for value in values]
        columns[header] = values
    rows = tuple(_row(row, place, columns.values()) for place, row in enumerate(sealed.rows))
    return replace(sealed, columns=tuple(columns), rows=rows)


def _row(row: Person, place: int, columns: Collection[Sequence[str]]) -> Person:
    return replace(row, values=tuple(values[place] for values in columns))


def _named(value: str, seal: Pseudonymizer, by_seal: Mapping[str, Known]) -> Known | None:
    """Find whom a value names: by an address or a login, or by a whole name somewhere in it."""
    words = name_words(value)
    runs = (
        " ".join(words[start : start + length])
        for length in range(2, LONGEST_NAME + 1)
        for start in range(len(words) - length + 1)
    )
    names = (by_seal.get(seal.name(each)) for each in (value, *runs))
    return by_seal.get(seal.email(value)) or next((one for one in names if one), None)


def _stranger(value: str, seal: Pseudonymizer) -> str:
    """Give an alias to somebody whom the LMS does not have."""
    return seal.alias(f"of the people file {' '.join(name_words(value))}").replace(ALIAS, "Person")


def _are_their_own(values: Iterable[str], owners: Iterable[Known | None], seal: Pseudonymizer) -> bool:
    """Tell whether most values are words of the name of the person of their row."""
    own = filled = 0
    words: dict[str, list[str]] = {}
    for value, owner in zip(values, owners, strict=True):
        if value and owner is not None:
            filled += 1
            if value not in words:
                words[value] = [seal.word(each) for each in name_words(value)]
            own += bool(words[value]) and owner.seals.issuperset(words[value])
    return own * 2 > filled
