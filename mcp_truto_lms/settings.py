"""The settings: parsed from the environment once, checked, and frozen.

A value that a host leaves as `${user_config.x}` is unset. Credentials that are set in part are an error that names the
missing variable: a partial configuration must not silently answer with sample data. The variables of a provider are
declared in `provider_registry`.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time, tzinfo
from hashlib import blake2b
from types import MappingProxyType

from mcp_truto_lms.domain.columns import ALL_COLUMNS, DERIVED_COLUMNS, IDENTIFYING, NEEDED, Columns
from mcp_truto_lms.domain.definitions import DEFAULT_THRESHOLDS, Thresholds
from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer
from mcp_truto_lms.provider_registry import DEFAULT_PROVIDER, PROVIDERS, AccountName, Provider

PREFIX = "MCP_TRUTO_LMS_"
DEADLINE_SECONDS = 45.0
MAX_AGE_SECONDS = 900.0
CALL_BUDGET = 300
TOKEN_BUDGET = 6_000
MAX_TOKEN_BUDGET = 20_000
MIN_SECRET_CHARACTERS = 16
FROM_THE_KEY = "1"
"""The value of the pseudonyms setting that derives the secret from the provider's key."""

DEFAULT_ACCOUNT = "default"

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process reads and answers.

    Args:
        source: the provider that enrollments come from, by its name in the registry
        provider_values: the provider's variables that are set, by name; never printed
        integrated_accounts: the accounts at the provider, as name and id
        zone: the zone of days in questions and answers; None is the portal's, else UTC
        today: a fixed day for tests and demos; the clock then stands at noon UTC
        store: where fetched data is stored: a file, a PostgreSQL address, or empty for memory; never printed
        max_age_seconds: the age at which the store's courses, or everything, are stale
        deadline_seconds: how long one question waits for the LMS; fetching continues in the background
        call_budget: how many calls to the LMS one question waits for
        token_budget: the most tokens of one answer
        people_file: the path of a CSV file with HR's own dimensions of people; empty is none
        mandatory_courses: ids, codes, titles or categories of courses that are mandatory whatever the LMS says
        at_risk: the thresholds of the at-risk signals
        exclude_fields: the columns hidden from every caller, as dotted paths
        pseudonyms: the secret behind aliases for people; `1` derives it from the provider's key; empty is real names
        export_dir: the folder of CSV exports; empty is one in the system's temporary directory
        structured: whether answers carry structured content beside their text
        http_token: the bearer token that clients over HTTP must send; never printed
        log_level: the level of the log on stderr
    """

    source: str = DEFAULT_PROVIDER
    provider_values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType[str, str]({}), repr=False)
    integrated_accounts: tuple[tuple[str, str], ...] = ((DEFAULT_ACCOUNT, ""),)
    zone: tzinfo | None = None
    today: date | None = None
    store: str = field(default="", repr=False)
    max_age_seconds: float = MAX_AGE_SECONDS
    deadline_seconds: float = DEADLINE_SECONDS
    call_budget: int = CALL_BUDGET
    token_budget: int = TOKEN_BUDGET
    people_file: str = ""
    mandatory_courses: tuple[str, ...] = ()
    at_risk: Thresholds = DEFAULT_THRESHOLDS
    exclude_fields: tuple[str, ...] = ()
    pseudonyms: str = field(default="", repr=False)
    export_dir: str = ""
    structured: bool = False
    http_token: str = field(default="", repr=False)
    log_level: str = "WARNING"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables.

        Raises:
            ConfigurationError: a variable is missing or wrong; the message names it.
        """
        read = _Reader(env)
        provider_values = {name: read.provider_values(provider) for name, provider in PROVIDERS.items()}
        integrated_accounts = {
            name: read.accounts(provider.accounts_variable)
            for name, provider in PROVIDERS.items()
            if provider.accounts_variable
        }
        source = read.choice(f"{PREFIX}SOURCE", ("auto", *PROVIDERS), "auto")
        if source == "auto":
            source = _configured_source(provider_values)
        PROVIDERS[source].check(provider_values[source])
        pseudonyms = read.pseudonyms(f"{PREFIX}PSEUDONYMS")
        settings = cls(
            source=source,
            provider_values=MappingProxyType(provider_values[source]),
            integrated_accounts=integrated_accounts.get(source, ((DEFAULT_ACCOUNT, ""),)),
            http_token=read.secret(f"{PREFIX}HTTP_TOKENS"),
            zone=read.zone(f"{PREFIX}TIMEZONE"),
            today=read.day(f"{PREFIX}TODAY"),
            store=read.text(f"{PREFIX}STORE"),
            max_age_seconds=read.number(f"{PREFIX}MAX_AGE", MAX_AGE_SECONDS, 0, 30 * 24 * 3600),
            deadline_seconds=read.number(f"{PREFIX}DEADLINE", DEADLINE_SECONDS, 1, 3600),
            call_budget=int(read.number(f"{PREFIX}CALL_BUDGET", CALL_BUDGET, 0, 100_000)),
            token_budget=int(read.number(f"{PREFIX}TOKEN_BUDGET", TOKEN_BUDGET, 500, MAX_TOKEN_BUDGET)),
            people_file=read.text(f"{PREFIX}PEOPLE_FILE"),
            mandatory_courses=read.texts(f"{PREFIX}MANDATORY_COURSES"),
            at_risk=read.thresholds(f"{PREFIX}AT_RISK"),
            exclude_fields=read.excluded(f"{PREFIX}EXCLUDE_FIELDS", aliases=bool(pseudonyms)),
            pseudonyms=pseudonyms,
            export_dir=read.text(f"{PREFIX}EXPORT_DIR"),
            structured=read.flag(f"{PREFIX}STRUCTURED"),
            log_level=read.choice(f"{PREFIX}LOG_LEVEL", ("debug", "info", "warning", "error"), "warning").upper(),
        )
        settings.provider.identity(settings)  # raises if the domain is not valid
        return settings

    @property
    def provider(self) -> Provider:
        """The registry's entry of the source."""
        return PROVIDERS[self.source]

    @property
    def columns(self) -> Columns:
        """The columns that are shown; under aliases, none that identifies a person."""
        removed = frozenset(self.exclude_fields)
        return Columns(removed | IDENTIFYING, aliases=True) if self.pseudonyms else Columns(removed)

    def accounts(self) -> tuple[AccountName, ...]:
        """List the accounts that questions can be about."""
        identity = f"{self.source} {self.provider.identity(self)}"
        accounts = [
            AccountName(name, account_id, _store_key(f"{identity} {account_id}" if account_id else identity))
            for name, account_id in self.integrated_accounts
        ]
        if self.columns != ALL_COLUMNS:
            accounts = [self._with_pseudonymizer(account) for account in accounts]
        return tuple(replace(account, key=_shorten(account.key)) for account in accounts)

    def _with_pseudonymizer(self, account: AccountName) -> AccountName:
        """Add the account's pseudonymizer.

        The store key depends on the hidden columns and on the secret: rows without columns or names never mix with
        rows that have them.
        """
        secret = self.pseudonyms
        if secret in ("", FROM_THE_KEY):
            variable = self.provider.key_variable
            secret = self.provider_values.get(variable, "") if variable else self.provider.title
        pseudonymizer = Pseudonymizer.of(secret, account.key)
        mark = pseudonymizer.mark(repr((sorted(self.columns.removed), self.columns.aliases)))
        return replace(account, key=_store_key(f"{account.key} {mark}"), pseudonymizer=pseudonymizer)

    def clock(self) -> Clock:
        """Make the clock of all answers: the system's, or one that stands at noon UTC of the fixed day."""
        if self.today is None:
            return lambda: datetime.now(UTC)
        moment = datetime.combine(self.today, time(12), UTC)
        return lambda: moment


def _store_key(words: str) -> str:
    return blake2b(words.encode(), digest_size=8).hexdigest()


def _shorten(key: str) -> str:
    """Shorten a key, since every row and every index of an account contains it."""
    return urlsafe_b64encode(bytes.fromhex(key)[:6]).decode()


def _configured_source(provider_values: Mapping[str, Mapping[str, str]]) -> str:
    """Return the provider whose credentials are set, else the default.

    Raises:
        ConfigurationError: credentials of several providers are set.
    """
    configured = [provider for provider in PROVIDERS.values() if provider.is_configured(provider_values[provider.name])]
    if len(configured) > 1:
        *titles, last_title = (provider.title for provider in configured)
        *names, last_name = (provider.name for provider in configured)
        raise ConfigurationError(
            f"Credentials of {'both ' if len(configured) == 2 else ''}{', '.join(titles)} and {last_title} are set: "
            f"choose one with {PREFIX}SOURCE={', '.join(names)} or {last_name}."
        )
    return configured[0].name if configured else DEFAULT_PROVIDER


def check_loopback(host: str, *, hint: str = "") -> None:
    """Refuse an address that other machines can reach: every caller can read everyone's data.

    Raises:
        ConfigurationError: other machines can reach the address; the message ends with the hint.
    """
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise ConfigurationError(
            f"--host {host} can be reached from other machines, and the server does not ask who calls: "
            f"anyone who reaches it can read everyone's learning records. Use 127.0.0.1.{hint}"
        )


def configure_logging(level: str) -> None:
    """Send the log to stderr; stdout belongs to the protocol.

    Libraries that log URLs or messages are limited to warnings: URLs contain e-mail addresses, and messages are
    questions and answers.
    """
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    for name in ("httpx", "httpcore", "mcp", "sse_starlette"):
        logging.getLogger(name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Parses single variables; every error names the variable and the values that it accepts."""

    env: Mapping[str, str]

    def text(self, name: str) -> str:
        value = self.env.get(name, "").strip()
        return "" if value.startswith("${") and value.endswith("}") else value

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.strip() for part in self.text(name).split(",") if part.strip()))

    def provider_values(self, provider: Provider) -> dict[str, str]:
        """Read the variables of a provider that are set."""
        values = {
            variable.name: self.address(variable.name, variable.example)
            if variable.example
            else self.text(variable.name)
            for variable in provider.variables
        }
        return {name: value for name, value in values.items() if value}

    def thresholds(self, name: str) -> Thresholds:
        """Read thresholds such as `due_days=14,progress=50`; the others keep their defaults."""
        thresholds = {known.name: getattr(DEFAULT_THRESHOLDS, known.name) for known in fields(Thresholds)}
        example = ",".join(f"{word}={value}" for word, value in thresholds.items())
        for part in self.texts(name):
            word, _, number = (piece.strip() for piece in part.partition("="))
            if word not in thresholds or not re.fullmatch(r"\d{1,4}", number, re.ASCII):
                raise ConfigurationError(f"{name} is {part!r}: it takes whole numbers, such as {example}.")
            thresholds[word] = int(number)
        return Thresholds(**thresholds)

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name).lower() or default
        if value not in allowed:
            raise ConfigurationError(f"{name} is {value!r}: it takes {', '.join(allowed)}.")
        return value

    def flag(self, name: str) -> bool:
        return self.choice(name, ("1", "0", "true", "false", "yes", "no"), "0") in ("1", "true", "yes")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self.text(name)
        if not value:
            return default
        try:
            number = float(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ConfigurationError(f"{name} is {value!r}: it takes a number from {low:g} to {high:g}.")
        return number

    def address(self, name: str, example: str) -> str:
        value = self.text(name)
        if value and not re.fullmatch(r"https?://[^/\s@]+(/[^\s@?#]*)?", value):
            raise ConfigurationError(f"{name} is not an address: it looks like {example}.")
        return value.rstrip("/")

    def accounts(self, name: str) -> tuple[tuple[str, str], ...]:
        """Read one account id, or several as `name=id,name=id`."""
        value = self.text(name)
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if len(parts) == 1 and "=" not in value:
            return ((DEFAULT_ACCOUNT, parts[0]),)
        ids: dict[str, str] = {}
        for part in parts:
            word, _, account_id = (piece.strip() for piece in part.partition("="))
            if not re.fullmatch(r"[\w.-]{1,40}", word) or not account_id or word in ids or account_id in ids.values():
                raise ConfigurationError(
                    f"{name} takes one account id, or several as name=id,name=id, each name and each id once."
                )
            ids[word] = account_id
        if value and not ids:
            raise ConfigurationError(f"{name} is {value!r}: it takes one account id, or several as name=id,name=id.")
        return tuple(ids.items())

    def secret(self, name: str) -> str:
        value = self.text(name)
        if value and not re.fullmatch(rf"[!-+\--~]{{{MIN_SECRET_CHARACTERS},}}", value):
            raise ConfigurationError(
                f"{name} takes one token of at least {MIN_SECRET_CHARACTERS} visible characters, without commas."
            )
        return value

    def pseudonyms(self, name: str) -> str:
        value = self.text(name)
        if value in ("", FROM_THE_KEY) or re.fullmatch(rf"[!-~]{{{MIN_SECRET_CHARACTERS},}}", value):
            return value
        raise ConfigurationError(f"{name} takes 1, or a secret of at least {MIN_SECRET_CHARACTERS} visible characters.")

    def excluded(self, name: str, *, aliases: bool) -> tuple[str, ...]:
        """Read columns to exclude, in any spelling; columns that answers need are refused."""
        from mcp_truto_lms.query.parsing import column_paths

        excluded: list[str] = []
        for word in self.texts(name):
            try:
                paths = column_paths(word)
            except ValueError as error:
                raise ConfigurationError(f"{name}: {error}.") from None
            for path in paths:
                if path in NEEDED or path in DERIVED_COLUMNS:
                    raise ConfigurationError(f"{name}: {path} cannot be excluded, answers need it.")
                if path == "user.name" and aliases:
                    raise ConfigurationError(f"{name}: user.name cannot be excluded, it is already the alias.")
                excluded.append(path)
        return tuple(dict.fromkeys(excluded))

    def day(self, name: str) -> date | None:
        value = self.text(name)
        try:
            return date.fromisoformat(value) if value else None
        except ValueError:
            raise ConfigurationError(f"{name} is {value!r}: it takes a date such as 2026-11-23.") from None

    def zone(self, name: str) -> tzinfo | None:
        value = self.text(name)
        if not value:
            return None
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ConfigurationError(f"{name} is {value!r}: it takes a zone such as Europe/Oslo.") from None
