"""Aliases for people: `Learner 7F3K9QXB2M` is the same person in every answer, and reveals nobody without the secret.

An alias is an HMAC of the user's id, keyed by the secret and the account: stable across restarts and replicas,
different in each account, and traceable only with the secret. A value that is compared but must not be stored, such as
an e-mail address that joins the people file, is hashed with the same key.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

ALIAS = "Learner"
EXAMPLE = f"{ALIAS} 7F3K9QXB2M"
CHARACTERS = 10
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's Base32: without I, L, O and U, which are mistaken for other characters."""
_BITS = 5
_MISTAKEN = str.maketrans("ILO", "110")
_FORM = re.compile(rf"(?:{ALIAS}\s*)?([0-9A-TV-Z]{{{CHARACTERS}}})", re.IGNORECASE)


def parse_alias(text: str) -> str | None:
    """Parse an alias in any spelling; None where the text is not an alias."""
    match = _FORM.fullmatch(text.strip())
    return f"{ALIAS} {match[1].upper().translate(_MISTAKEN)}" if match else None


@dataclass(frozen=True, slots=True)
class Pseudonymizer:
    """Computes the aliases and hashes of one account.

    Args:
        key: of the account; never printed
    """

    key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str, account: str) -> Pseudonymizer:
        """Derive the key of an account, which does not reveal the secret."""
        return cls(hmac.digest(secret.encode(), f"mcp-truto-lms {account}".encode(), "sha256"))

    def alias(self, user_id: str) -> str:
        """Compute the alias of a user id."""
        number = int.from_bytes(self._digest("alias", user_id)) >> (256 - _BITS * CHARACTERS)
        shifts = range(_BITS * (CHARACTERS - 1), -1, -_BITS)
        return f"{ALIAS} {''.join(_ALPHABET[number >> shift & 31] for shift in shifts)}"

    def email(self, address: str) -> str:
        """Hash an e-mail address or a login."""
        return self._short_digest("email", address.strip().lower())

    def name(self, name: str) -> str:
        """Hash a name, regardless of the order of its words."""
        return self._short_digest("name", " ".join(sorted(name_words(name))))

    def word(self, word: str) -> str:
        """Hash one word of a name."""
        return self._short_digest("word", word)

    def mark(self, text: str) -> str:
        """Hash the settings that decide how rows are stored."""
        return self._short_digest("mark", text)

    def _short_digest(self, kind: str, text: str) -> str:
        return self._digest(kind, text)[:12].hex()

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.digest(self.key, f"{kind}\0{text}".encode(errors="replace"), "sha256")


def name_words(name: str) -> list[str]:
    """Split a name into its words, normalized."""
    from mcp_truto_lms.domain.normalization import normalize  # not needed to start

    return re.findall(r"[^\s,;:/()|]+", normalize(name))
