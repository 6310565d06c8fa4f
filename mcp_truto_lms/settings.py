"""Every setting, in one place: read from the environment once, checked, and frozen.

A value left as `${user_config.x}` by a host is unset. Credentials that are set in part are an error that names the
missing variable: half a configuration must not fall back to sample data in silence.
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
from typing import Literal, cast, get_args

from mcp_truto_lms.domain.columns import ALL_COLUMNS, IDENTIFYING, NEEDED, Columns
from mcp_truto_lms.domain.definitions import DEFAULT_THRESHOLDS, Thresholds
from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer

SourceName = Literal["truto", "talentlms", "sample"]
PREFIX = "MCP_TRUTO_LMS_"
DEADLINE_SECONDS = 45.0
MAX_AGE_SECONDS = 900.0
CALL_BUDGET = 300
TOKEN_BUDGET = 6_000
MAX_TOKEN_BUDGET = 20_000
MIN_SECRET_CHARACTERS = 16
FROM_THE_KEY = "1"
"""As the secret behind aliases: derived from the provider's key."""

DEFAULT_ACCOUNT = "default"

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class AccountName:
    """An account that questions can be about.

    Args:
        name: what people call it
        id: of the integrated account in Truto; empty where the LMS is read directly
        key: of its rows in the store; another LMS under the same name is another account
        seal: makes its aliases
    """

    name: str
    id: str
    key: str
    seal: Pseudonymizer | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process reads and answers.

    Args:
        source: where enrollments come from
        truto_api_token: never printed
        truto_accounts: the integrated accounts in Truto, by name
        truto_base_url: Truto's address; empty is its own
        talentlms_base_url: the API's address, such as `https://acme.talentlms.com/api/v1`
        talentlms_api_key: never printed
        zone: the zone of days in questions and answers; None is the portal's, else UTC
        today: a fixed day for tests and demos; the clock then stands at noon UTC
        store: where what was read is kept: a file, a PostgreSQL address, or empty for memory; never printed
        max_age_seconds: how old courses and everything may be before they are read again
        deadline_seconds: how long one question waits for the LMS; what it reads goes on in the background
        call_budget: how many calls to the LMS one question waits for
        token_budget: the most tokens of one answer
        people_file: the path of a CSV with HR's own dimensions of people; empty is none
        mandatory_courses: ids, codes, titles or categories of courses that are mandatory whatever the LMS says
        at_risk: from when on a sign of trouble counts
        exclude_fields: the columns that there are for nobody, as dotted paths
        pseudonyms: the secret behind aliases for people; `1` derives it from the provider's key; empty is real names
        export_dir: the folder of CSV exports; empty is one in the system's temporary directory
        structured: whether answers carry their data beside their text
        http_token: the bearer token that clients over HTTP must send; never printed
        log_level: of the log on stderr
    """

    source: SourceName = "sample"
    truto_api_token: str = field(default="", repr=False)
    truto_accounts: tuple[tuple[str, str], ...] = ()
    truto_base_url: str = ""
    talentlms_base_url: str = ""
    talentlms_api_key: str = field(default="", repr=False)
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
            ConfigurationError: one is missing or wrong; the message names it.
        """
        read = _SettingsReader(env)
        domain, base_url, key = (read.text(f"TALENTLMS_{name}") for name in ("DOMAIN", "BASE_URL", "API_KEY"))
        token, accounts = read.text("TRUTO_API_TOKEN"), read.accounts("TRUTO_INTEGRATED_ACCOUNT_ID")
        chosen = read.choice(f"{PREFIX}SOURCE", ("auto", *get_args(SourceName)), "auto")
        if chosen == "auto":
            chosen = _source_of(truto=bool(token or accounts), talentlms=bool(domain or base_url or key))
        if chosen == "talentlms":
            if not key:
                raise ConfigurationError("TALENTLMS_API_KEY is missing: set it to the API key of the TalentLMS domain.")
            if not (domain or base_url):
                raise ConfigurationError("TALENTLMS_DOMAIN is missing: set it to the part before .talentlms.com.")
        if chosen == "truto":
            if not token:
                raise ConfigurationError("TRUTO_API_TOKEN is missing: set it to an API token of Truto.")
            if not accounts:
                raise ConfigurationError(
                    "TRUTO_INTEGRATED_ACCOUNT_ID is missing: set it to the id of the integrated account in Truto."
                )
        pseudonyms = read.pseudonyms(f"{PREFIX}PSEUDONYMS")
        return cls(
            source=cast("SourceName", chosen),
            truto_api_token=token,
            truto_accounts=accounts,
            truto_base_url=read.address("TRUTO_BASE_URL", "https://api.truto.one"),
            talentlms_base_url=_base_url(
                domain, read.address("TALENTLMS_BASE_URL", "https://acme.talentlms.com/api/v1")
            ),
            talentlms_api_key=key,
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

    @property
    def columns(self) -> Columns:
        """The columns there are; under aliases, none that tells who somebody is."""
        removed = frozenset(self.exclude_fields)
        return Columns(removed | IDENTIFYING, aliases=True) if self.pseudonyms else Columns(removed)

    def accounts(self) -> tuple[AccountName, ...]:
        """List the accounts that questions can be about, the first one being the usual one."""
        if self.source == "truto":
            host = self.truto_base_url or "truto"
            found = tuple(AccountName(name, one, _key(f"truto {host} {one}")) for name, one in self.truto_accounts)
        else:
            key = f"talentlms {self.talentlms_base_url}" if self.source == "talentlms" else f"sample {self.today or ''}"
            found = (AccountName(DEFAULT_ACCOUNT, "", _key(key)),)
        sealed = found if self.columns == ALL_COLUMNS else map(self._sealed, found)
        return tuple(replace(one, key=_shortened(one.key)) for one in sealed)

    def _sealed(self, account: AccountName) -> AccountName:
        """Give an account its seal; what is kept without columns or names is never mixed with what has them."""
        own = {"truto": self.truto_api_token, "talentlms": self.talentlms_api_key, "sample": "the sample portal"}
        secret = own[self.source] if self.pseudonyms in ("", FROM_THE_KEY) else self.pseudonyms
        seal = Pseudonymizer.of(secret, account.key)
        mark = seal.mark(repr((sorted(self.columns.removed), self.columns.aliases)))
        return replace(account, key=_key(f"{account.key} {mark}"), seal=seal)

    def clock(self) -> Clock:
        """Give the clock of all answers: the system's, or one that stands still at noon UTC of the fixed day."""
        if self.today is None:
            return lambda: datetime.now(UTC)
        moment = datetime.combine(self.today, time(12), UTC)
        return lambda: moment


def _key(words: str) -> str:
    return blake2b(words.encode(), digest_size=8).hexdigest()


def _shortened(key: str) -> str:
    """Give a key in half its room: each row of an account bears it, in every index."""
    return urlsafe_b64encode(bytes.fromhex(key)[:6]).decode()


def check_loopback(host: str, *, hint: str = "") -> None:
    """Refuse an address that other machines can reach: whoever reaches the server reads everyone's data.

    Raises:
        ConfigurationError: the host is not of this machine alone; the message ends with the hint.
    """
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise ConfigurationError(
            f"--host {host} can be reached from other machines, and nothing here asks who is there: "
            f"whoever reaches it can read everyone's learning records. Use 127.0.0.1.{hint}"
        )


def configure_logging(level: str) -> None:
    """Send the log to stderr; stdout belongs to the protocol.

    Libraries that log addresses are kept quiet, and so are those that log messages: these are questions and answers.
    """
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    for noisy in ("httpx", "httpcore", "mcp", "sse_starlette"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _source_of(*, truto: bool, talentlms: bool) -> SourceName:
    if truto and talentlms:
        raise ConfigurationError(
            f"Credentials of both Truto and TalentLMS are set: choose one with {PREFIX}SOURCE=truto or talentlms."
        )
    if truto:
        return "truto"
    return "talentlms" if talentlms else "sample"


def _base_url(domain: str, base_url: str) -> str:
    if base_url:
        return base_url
    if not domain:
        return ""
    host = re.sub(r"^https?://", "", domain).split("/")[0]
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?", host):
        raise ConfigurationError("TALENTLMS_DOMAIN is no subdomain or host: it looks like acme, or learn.acme.com.")
    return f"https://{host if '.' in host else f'{host}.talentlms.com'}/api/v1"


@dataclass(frozen=True, slots=True)
class _SettingsReader:
    """Reads one variable at a time; every complaint names the variable and what it takes."""

    env: Mapping[str, str]

    def text(self, name: str) -> str:
        value = self.env.get(name, "").strip()
        return "" if value.startswith("${") and value.endswith("}") else value

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.strip() for part in self.text(name).split(",") if part.strip()))

    def thresholds(self, name: str) -> Thresholds:
        """Read some of the thresholds, as `due_days=14,progress=50`; the others stay as they are."""
        known = {one.name: getattr(DEFAULT_THRESHOLDS, one.name) for one in fields(Thresholds)}
        found = dict(known)
        for part in self.texts(name):
            word, _, number = (piece.strip() for piece in part.partition("="))
            if word not in known or not re.fullmatch(r"\d{1,4}", number, re.ASCII):
                usual = ",".join(f"{one}={value}" for one, value in known.items())
                raise ConfigurationError(f"{name} is {part!r}: it takes whole numbers, such as {usual}.")
            found[word] = int(number)
        return Thresholds(**found)

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
            raise ConfigurationError(f"{name} is no address: it looks like {example}.")
        return value.rstrip("/")

    def accounts(self, name: str) -> tuple[tuple[str, str], ...]:
        """Read one account id, or several as `name=id,name=id`."""
        value = self.text(name)
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if len(parts) == 1 and "=" not in value:
            return ((DEFAULT_ACCOUNT, parts[0]),)
        named: dict[str, str] = {}
        for part in parts:
            word, _, key = (piece.strip() for piece in part.partition("="))
            if not re.fullmatch(r"[\w.-]{1,40}", word) or not key or word in named or key in named.values():
                raise ConfigurationError(
                    f"{name} takes one account id, or several as name=id,name=id, each name and each id once."
                )
            named[word] = key
        return tuple(named.items())

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
        """Read columns, however they are written, that answers can do without."""
        from mcp_truto_lms.query.parsing import column_paths
        from mcp_truto_lms.query.vocabulary import SIGNALS

        found: list[str] = []
        for word in self.texts(name):
            try:
                paths = column_paths(word)
            except ValueError as error:
                raise ConfigurationError(f"{name}: {error}.") from None
            for path in paths:
                if path in NEEDED or path == SIGNALS:
                    raise ConfigurationError(f"{name}: {path} cannot be left out, answers are made of it.")
                if path == "user.name" and aliases:
                    raise ConfigurationError(f"{name}: user.name cannot be left out, it is the alias already.")
                found.append(path)
        return tuple(dict.fromkeys(found))

    def day(self, name: str) -> date | None:
        value = self.text(name)
        try:
            return date.fromisoformat(value) if value else None
        except ValueError:
            raise ConfigurationError(f"{name} is {value!r}: it takes a day such as 2026-11-23.") from None

    def zone(self, name: str) -> tzinfo | None:
        value = self.text(name)
        if not value:
            return None
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ConfigurationError(f"{name} is {value!r}: it takes a zone such as Europe/Oslo.") from None
