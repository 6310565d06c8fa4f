"""The providers that enrollments can come from: one entry each.

An entry says which environment variables a provider reads, how its source is opened, and what people read about it.
Settings, the server and the doctor ask the entry and name no provider themselves. Opening imports what it needs: this
module is loaded before the tools are listed, the HTTP client and the sample portal only with the first question.

Providers whose credentials are set are candidates in this order; with none of them the sample portal answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Protocol

from mcp_truto_lms.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from mcp_truto_lms.domain.pseudonyms import Pseudonymizer
    from mcp_truto_lms.domain.rate_limits import Acquire
    from mcp_truto_lms.domain.source import Source

    OpenSource = Callable[["AccountName"], Source]

DEFAULT_PROVIDER = "sample"
TRUTO_ADDRESS = "https://api.truto.one"
SAMPLE_CALLS = 10**9
"""The sample portal's limits: it runs inside this process, and nothing shares it."""


class ProviderSettings(Protocol):
    """What an entry reads of the settings. A protocol, since the settings import this module."""

    @property
    def provider_values(self) -> Mapping[str, str]:
        """The provider's variables that are set, by name."""
        ...

    @property
    def zone(self) -> tzinfo | None:
        """The zone of days in questions and answers; None is the portal's, else UTC."""
        ...

    @property
    def today(self) -> date | None:
        """The fixed day of tests and demos."""
        ...

    @property
    def mandatory_courses(self) -> tuple[str, ...]:
        """Courses or categories that are mandatory whatever the LMS says."""
        ...

    def clock(self) -> Callable[[], datetime]:
        """Make the clock of all answers."""
        ...


@dataclass(frozen=True, slots=True)
class AccountName:
    """An account that questions can be about.

    Args:
        name: what people call it
        id: the integrated account at the provider; empty where the provider's key opens one account
        key: the account's key in the store; another LMS under the same name has another key
        pseudonymizer: makes the account's aliases; None where every column is shown
    """

    name: str
    id: str
    key: str
    pseudonymizer: Pseudonymizer | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that a provider reads.

    Args:
        name: of the variable
        hint: what to set it to, as the error for a missing variable says it; empty for an optional variable
        alternative: the variable that can be set instead
        example: an address of the form that the variable takes; empty for a variable that takes any text
    """

    name: str
    hint: str = ""
    alternative: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Args:
        name: the value of `MCP_TRUTO_LMS_SOURCE`
        title: what messages call it
        connect: makes the function that opens the source of an account; the second argument acquires calls from rate
            limits that processes share
        identity: which LMS the settings name; another identity is another account in the store
        summary: what the doctor says about the connection
        variables: those that the provider reads
        key_variable: the variable with the key, from which aliases are derived; empty where there is no key
        accounts_variable: the variable that names integrated accounts; empty where a key opens one account
        notice: how the first line of every answer begins, such as `SAMPLE DATA, no LMS connected`
    """

    name: str
    title: str
    connect: Callable[[ProviderSettings, Acquire | None], OpenSource]
    identity: Callable[[ProviderSettings], str]
    summary: Callable[[ProviderSettings], str]
    variables: tuple[Variable, ...] = ()
    key_variable: str = ""
    accounts_variable: str = ""
    notice: str = ""

    @property
    def required(self) -> tuple[Variable, ...]:
        """The variables without which the provider cannot be read."""
        return tuple(variable for variable in self.variables if variable.hint)

    def is_configured(self, values: Mapping[str, str]) -> bool:
        """Tell whether any credential is set, which makes the provider a candidate."""
        credentials = {name for variable in self.required for name in (variable.name, variable.alternative)}
        return any(values.get(name) for name in credentials)

    def check(self, values: Mapping[str, str]) -> None:
        """Refuse credentials that are set in part.

        Raises:
            ConfigurationError: a variable is missing; the message names it.
        """
        for variable in self.required:
            if not (values.get(variable.name) or values.get(variable.alternative)):
                raise ConfigurationError(f"{variable.name} is missing: {variable.hint}")


def talentlms_address(values: Mapping[str, str]) -> str:
    """Build the address of the TalentLMS API from the variables.

    Raises:
        ConfigurationError: the domain is not one.
    """
    domain = values.get("TALENTLMS_DOMAIN", "")
    if address := values.get("TALENTLMS_BASE_URL", ""):
        return address
    if not domain:
        return ""
    host = re.sub(r"^https?://", "", domain).split("/")[0]
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?", host):
        raise ConfigurationError("TALENTLMS_DOMAIN is not a subdomain or host: it looks like acme, or learn.acme.com.")
    return f"https://{host if '.' in host else f'{host}.talentlms.com'}/api/v1"


def _connect_truto(settings: ProviderSettings, acquire: Acquire | None) -> OpenSource:
    from mcp_truto_lms.providers.truto.client import TrutoClient
    from mcp_truto_lms.providers.truto.source import TrutoSource

    values = settings.provider_values
    address = values.get("TRUTO_BASE_URL") or TRUTO_ADDRESS
    client = TrutoClient(values.get("TRUTO_API_TOKEN", ""), base_url=address, acquire=acquire)
    return lambda account: TrutoSource(client, account.id, zone=settings.zone or UTC)


def _connect_talentlms(settings: ProviderSettings, acquire: Acquire | None) -> OpenSource:
    from mcp_truto_lms.providers.talentlms.source import TalentLmsSource

    return lambda _: TalentLmsSource.connect(
        base_url=talentlms_address(settings.provider_values),
        api_key=settings.provider_values.get("TALENTLMS_API_KEY", ""),
        category_names=bool(settings.mandatory_courses),
        acquire=acquire,
    )


def _connect_sample(settings: ProviderSettings, _: Acquire | None) -> OpenSource:
    """Open the sample portal, which runs inside this process and has no rate limit to share."""
    import httpx

    from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
    from mcp_truto_lms.sandbox.organisation import generate
    from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
    from mcp_truto_lms.sandbox.variations import Variations

    organisation = generate(today=settings.clock()().date())
    unlimited = Variations(hourly_limit=SAMPLE_CALLS, burst_limit=SAMPLE_CALLS)
    transport = httpx.ASGITransport(app=sample_app(organisation, variations=unlimited))
    return lambda _: TalentLmsSource.connect(
        base_url=SAMPLE_BASE_URL,
        api_key=SAMPLE_API_KEY,
        transport=transport,
        category_names=bool(settings.mandatory_courses),
        limits=(),
    )


def _sample_doctor_text(_: ProviderSettings) -> str:
    choices = [
        f"{' and '.join(variable.name for variable in provider.required)} for {provider.title}"
        for provider in PROVIDERS.values()
        if provider.required
    ]
    return (
        "No LMS is connected, answers come from the built-in sample portal. To read yours, set "
        f"{', or '.join(choices)}."
    )


TRUTO = Provider(
    name="truto",
    title="Truto",
    connect=_connect_truto,
    identity=lambda settings: settings.provider_values.get("TRUTO_BASE_URL") or "truto",
    summary=lambda settings: (
        f"Reading through Truto at {settings.provider_values.get('TRUTO_BASE_URL') or TRUTO_ADDRESS}; the token is set."
    ),
    variables=(
        Variable("TRUTO_API_TOKEN", hint="set it to an API token of Truto."),
        Variable("TRUTO_INTEGRATED_ACCOUNT_ID", hint="set it to the id of the integrated account in Truto."),
        Variable("TRUTO_BASE_URL", example=TRUTO_ADDRESS),
    ),
    key_variable="TRUTO_API_TOKEN",
    accounts_variable="TRUTO_INTEGRATED_ACCOUNT_ID",
)
TALENTLMS = Provider(
    name="talentlms",
    title="TalentLMS",
    connect=_connect_talentlms,
    identity=lambda settings: talentlms_address(settings.provider_values),
    summary=lambda settings: f"Reading TalentLMS at {talentlms_address(settings.provider_values)}; the API key is set.",
    variables=(
        Variable("TALENTLMS_API_KEY", hint="set it to the API key of the TalentLMS domain."),
        Variable(
            "TALENTLMS_DOMAIN",
            hint="set it to the part before .talentlms.com.",
            alternative="TALENTLMS_BASE_URL",
        ),
        Variable("TALENTLMS_BASE_URL", example="https://acme.talentlms.com/api/v1"),
    ),
    key_variable="TALENTLMS_API_KEY",
)
SAMPLE = Provider(
    name=DEFAULT_PROVIDER,
    title="the sample portal",
    connect=_connect_sample,
    identity=lambda settings: str(settings.today or ""),
    summary=_sample_doctor_text,
    notice="SAMPLE DATA, no LMS connected",
)

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (TRUTO, TALENTLMS, SAMPLE)}
"""The registry, by name. A test may add an entry."""
