"""Every setting, in one place: read from the environment once, checked, and frozen.

A value left as `${user_config.x}` by a host is unset. Credentials that are set in part are an error that names the
missing variable: half a configuration must not fall back to sample data in silence.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo
from typing import Literal, cast, get_args

from mcp_truto_lms.errors import ConfigurationError

SourceName = Literal["truto", "talentlms", "sample"]
PREFIX = "MCP_TRUTO_LMS_"
DEADLINE_SECONDS = 120.0
CALL_BUDGET = 300
TOKEN_BUDGET = 6_000
MAX_TOKEN_BUDGET = 20_000
MIN_SECRET_CHARACTERS = 16

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process reads and answers.

    Args:
        source: where enrollments come from
        truto_api_token: never printed
        truto_account_id: the integrated account in Truto
        truto_base_url: Truto's address; empty is its own
        talentlms_base_url: the API's address, such as `https://acme.talentlms.com/api/v1`
        talentlms_api_key: never printed
        zone: the zone of days in questions and answers; None is the portal's, else UTC
        today: a fixed day for tests and demos; the clock then stands at noon UTC
        deadline_seconds: how long one call may read from the LMS
        call_budget: how many calls one question may spend on refining what rosters cannot tell
        token_budget: the most tokens of one answer
        http_token: the bearer token that clients over HTTP must send; never printed
        log_level: of the log on stderr
    """

    source: SourceName = "sample"
    truto_api_token: str = field(default="", repr=False)
    truto_account_id: str = ""
    truto_base_url: str = ""
    talentlms_base_url: str = ""
    talentlms_api_key: str = field(default="", repr=False)
    zone: tzinfo | None = None
    today: date | None = None
    deadline_seconds: float = DEADLINE_SECONDS
    call_budget: int = CALL_BUDGET
    token_budget: int = TOKEN_BUDGET
    http_token: str = field(default="", repr=False)
    log_level: str = "WARNING"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings from environment variables.

        Raises:
            ConfigurationError: one is missing or wrong; the message names it.
        """
        read = _Reader(env)
        domain, base_url, key = (read.text(f"TALENTLMS_{name}") for name in ("DOMAIN", "BASE_URL", "API_KEY"))
        token, account_id = read.text("TRUTO_API_TOKEN"), read.text("TRUTO_INTEGRATED_ACCOUNT_ID")
        chosen = read.choice(f"{PREFIX}SOURCE", ("auto", *get_args(SourceName)), "auto")
        if chosen == "auto":
            chosen = _source_of(truto=bool(token or account_id), talentlms=bool(domain or base_url or key))
        if chosen == "talentlms":
            if not key:
                raise ConfigurationError("TALENTLMS_API_KEY is missing: set it to the API key of the TalentLMS domain.")
            if not (domain or base_url):
                raise ConfigurationError("TALENTLMS_DOMAIN is missing: set it to the part before .talentlms.com.")
        if chosen == "truto":
            if not token:
                raise ConfigurationError("TRUTO_API_TOKEN is missing: set it to an API token of Truto.")
            if not account_id:
                raise ConfigurationError(
                    "TRUTO_INTEGRATED_ACCOUNT_ID is missing: set it to the id of the integrated account in Truto."
                )
        return cls(
            source=cast("SourceName", chosen),
            truto_api_token=token,
            truto_account_id=account_id,
            truto_base_url=read.address("TRUTO_BASE_URL", "https://api.truto.one"),
            talentlms_base_url=_base_url(
                domain, read.address("TALENTLMS_BASE_URL", "https://acme.talentlms.com/api/v1")
            ),
            talentlms_api_key=key,
            http_token=read.secret(f"{PREFIX}HTTP_TOKENS"),
            zone=read.zone(f"{PREFIX}TIMEZONE"),
            today=read.day(f"{PREFIX}TODAY"),
            deadline_seconds=read.number(f"{PREFIX}DEADLINE", DEADLINE_SECONDS, 1, 3600),
            call_budget=int(read.number(f"{PREFIX}CALL_BUDGET", CALL_BUDGET, 0, 100_000)),
            token_budget=int(read.number(f"{PREFIX}TOKEN_BUDGET", TOKEN_BUDGET, 500, MAX_TOKEN_BUDGET)),
            log_level=read.choice(f"{PREFIX}LOG_LEVEL", ("debug", "info", "warning", "error"), "warning").upper(),
        )

    def clock(self) -> Clock:
        """Give the clock of all answers: the system's, or one that stands still at noon UTC of the fixed day."""
        if self.today is None:
            return lambda: datetime.now(UTC)
        moment = datetime.combine(self.today, time(12), UTC)
        return lambda: moment


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
    """Send the log to stderr; stdout belongs to the protocol. Libraries that log addresses are kept quiet."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    for noisy in ("httpx", "httpcore"):
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
class _Reader:
    """Reads one variable at a time; every complaint names the variable and what it takes."""

    env: Mapping[str, str]

    def text(self, name: str) -> str:
        value = self.env.get(name, "").strip()
        return "" if value.startswith("${") and value.endswith("}") else value

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name).lower() or default
        if value not in allowed:
            raise ConfigurationError(f"{name} is {value!r}: it takes {', '.join(allowed)}.")
        return value

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

    def secret(self, name: str) -> str:
        value = self.text(name)
        if value and not re.fullmatch(rf"[!-+\--~]{{{MIN_SECRET_CHARACTERS},}}", value):
            raise ConfigurationError(
                f"{name} takes one token of at least {MIN_SECRET_CHARACTERS} visible characters, without commas."
            )
        return value

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
