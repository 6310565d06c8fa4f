"""Aliases for people: `Learner 7F3K9QXB2M` is the same person in every answer, and nobody without the secret.

An alias is an HMAC of the user's id, keyed by the secret and the account: stable over restarts and replicas, another
one in another account, and found again only by who has the secret. What has to be compared and must not be kept, as an
e-mail address that joins the people file, is sealed by the same key.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

ALIAS = "Learner"
EXAMPLE = f"{ALIAS} 7F3K9QXB2M"
CHARACTERS = 10
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without I, L, O and U, which are mistaken for others."""
_BITS = 5
_MISTAKEN = str.maketrans("ILO", "110")
_FORM = re.compile(rf"(?:{ALIAS}\s*)?([0-9A-TV-Z]{{{CHARACTERS}}})", re.IGNORECASE)


def parse_alias(text: str) -> str | None:
    """Read an alias however it is typed; None where it is none."""
    found = _FORM.fullmatch(text.strip())
    return f"{ALIAS} {found[1].upper().translate(_MISTAKEN)}" if found else None


@dataclass(frozen=True, slots=True)
class Pseudonymizer:
    """Makes aliases and seals for one account.

    Args:
        key: of this account; never printed
    """

    key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str, account: str) -> Pseudonymizer:
        """Make the seal of an account; the key tells nothing of the secret."""
        return cls(hmac.digest(secret.encode(), f"mcp-truto-lms {account}".encode(), "sha256"))

    def alias(self, user_id: str) -> str:
        """Name whoever has a user id."""
        number = int.from_bytes(self._digest("alias", user_id)) >> (256 - _BITS * CHARACTERS)
        places = range(_BITS * (CHARACTERS - 1), -1, -_BITS)
        return f"{ALIAS} {''.join(_ALPHABET[number >> place & 31] for place in places)}"

    def email(self, address: str) -> str:
        """Seal an e-mail address or a login."""
        return self._sealed("email", address.strip().lower())

    def name(self, name: str) -> str:
        """Seal a name, in whatever order its words stand."""
        return self._sealed("name", " ".join(sorted(name_words(name))))

    def word(self, word: str) -> str:
        """Seal one word of a name."""
        return self._sealed("word", word)

    def mark(self, text: str) -> str:
        """Seal what tells one way of keeping rows from another."""
        return self._sealed("mark", text)

    def _sealed(self, kind: str, text: str) -> str:
        return self._digest(kind, text)[:12].hex()

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.digest(self.key, f"{kind}\0{text}".encode(errors="replace"), "sha256")


def name_words(name: str) -> list[str]:
    """Take a name apart into its words, folded."""
    from mcp_truto_lms.domain.normalization import normalize  # which no start needs

    return re.findall(r"[^\s,;:/()|]+", normalize(name))
