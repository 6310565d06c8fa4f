"""Settings: each variable, the values it accepts, and the error for a wrong value."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.provider_registry import talentlms_address
from mcp_truto_lms.settings import Settings, check_loopback, configure_logging

KEY = "s3cr3t-k3y"
TALENTLMS = {"TALENTLMS_DOMAIN": "acme", "TALENTLMS_API_KEY": KEY}

TRUTO = {"TRUTO_API_TOKEN": KEY, "TRUTO_INTEGRATED_ACCOUNT_ID": "a1"}


def error_of(env: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(env)
    return str(caught.value)


def test_without_credentials_answers_come_from_the_sample_portal():
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.source == "sample"
    assert (settings.deadline_seconds, settings.call_budget, settings.token_budget) == (45.0, 300, 6_000)


def test_credentials_choose_talentlms():
    settings = Settings.from_env(TALENTLMS)
    assert settings.source == "talentlms"
    assert talentlms_address(settings.provider_values) == "https://acme.talentlms.com/api/v1"
    assert settings.provider_values["TALENTLMS_API_KEY"] == KEY


def test_a_token_and_an_account_choose_truto():
    settings = Settings.from_env(TRUTO)
    assert (settings.source, settings.integrated_accounts) == ("truto", (("default", "a1"),))
    assert settings.provider_values == TRUTO
    both = {**TALENTLMS, **TRUTO}
    assert Settings.from_env({**both, "MCP_TRUTO_LMS_SOURCE": "truto"}).source == "truto"
    assert Settings.from_env({**both, "MCP_TRUTO_LMS_SOURCE": "talentlms"}).source == "talentlms"


@pytest.mark.parametrize(
    ("domain", "address"),
    [
        ("acme", "https://acme.talentlms.com/api/v1"),
        (" acme ", "https://acme.talentlms.com/api/v1"),
        ("acme.talentlms.com", "https://acme.talentlms.com/api/v1"),
        ("https://acme.talentlms.com/dashboard", "https://acme.talentlms.com/api/v1"),
        ("http://learn.acme.com", "https://learn.acme.com/api/v1"),
        ("learn.acme.com:8443", "https://learn.acme.com:8443/api/v1"),
    ],
)
def test_the_domain_is_a_subdomain_a_host_or_an_address(domain: str, address: str):
    settings = Settings.from_env({**TALENTLMS, "TALENTLMS_DOMAIN": domain})
    assert settings.provider.identity(settings) == address


def test_a_full_address_replaces_the_domain():
    env = {**TALENTLMS, "TALENTLMS_BASE_URL": "http://127.0.0.1:8765/api/v1/"}
    assert talentlms_address(Settings.from_env(env).provider_values) == "http://127.0.0.1:8765/api/v1"


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (
            {"TALENTLMS_DOMAIN": "acme"},
            "TALENTLMS_API_KEY is missing: set it to the API key of the TalentLMS domain.",
        ),
        (
            {"TALENTLMS_BASE_URL": "https://acme.talentlms.com/api/v1"},
            "TALENTLMS_API_KEY is missing: set it to the API key of the TalentLMS domain.",
        ),
        (
            {"TALENTLMS_API_KEY": KEY},
            "TALENTLMS_DOMAIN is missing: set it to the part before .talentlms.com.",
        ),
        (
            {"MCP_TRUTO_LMS_SOURCE": "talentlms"},
            "TALENTLMS_API_KEY is missing: set it to the API key of the TalentLMS domain.",
        ),
        (
            {"TALENTLMS_DOMAIN": "acme", "TALENTLMS_API_KEY": "${user_config.api_key}"},
            "TALENTLMS_API_KEY is missing: set it to the API key of the TalentLMS domain.",
        ),
        (
            {**TALENTLMS, "TALENTLMS_DOMAIN": "acme corp"},
            "TALENTLMS_DOMAIN is not a subdomain or host: it looks like acme, or learn.acme.com.",
        ),
        (
            {**TALENTLMS, "TALENTLMS_DOMAIN": "user@acme"},
            "TALENTLMS_DOMAIN is not a subdomain or host: it looks like acme, or learn.acme.com.",
        ),
        (
            {**TALENTLMS, "TALENTLMS_BASE_URL": "acme.talentlms.com"},
            "TALENTLMS_BASE_URL is not an address: it looks like https://acme.talentlms.com/api/v1.",
        ),
        (
            {**TALENTLMS, "TALENTLMS_BASE_URL": f"https://{KEY}:@acme.talentlms.com/api/v1"},
            "TALENTLMS_BASE_URL is not an address: it looks like https://acme.talentlms.com/api/v1.",
        ),
        (
            {"TRUTO_API_TOKEN": KEY},
            "TRUTO_INTEGRATED_ACCOUNT_ID is missing: set it to the id of the integrated account in Truto.",
        ),
        (
            {**TRUTO, "TRUTO_INTEGRATED_ACCOUNT_ID": ", ,"},
            "TRUTO_INTEGRATED_ACCOUNT_ID is ', ,': it takes one account id, or several as name=id,name=id.",
        ),
        (
            {"TRUTO_INTEGRATED_ACCOUNT_ID": "a1"},
            "TRUTO_API_TOKEN is missing: set it to an API token of Truto.",
        ),
        (
            {**TRUTO, "TRUTO_BASE_URL": "api.truto.one"},
            "TRUTO_BASE_URL is not an address: it looks like https://api.truto.one.",
        ),
        (
            {**TALENTLMS, "TRUTO_API_TOKEN": KEY},
            "Credentials of both Truto and TalentLMS are set: choose one with MCP_TRUTO_LMS_SOURCE=truto or talentlms.",
        ),
        *(
            (
                {"MCP_TRUTO_LMS_HTTP_TOKENS": token},
                "MCP_TRUTO_LMS_HTTP_TOKENS takes one token of at least 16 visible characters, without commas.",
            )
            for token in ("x" * 15, "x" * 20 + " y", "x" * 20 + "," + "y" * 20)
        ),
        (
            {"MCP_TRUTO_LMS_SOURCE": "moodle"},
            "MCP_TRUTO_LMS_SOURCE is 'moodle': it takes auto, truto, talentlms, sample.",
        ),
        (
            {"MCP_TRUTO_LMS_LOG_LEVEL": "loud"},
            "MCP_TRUTO_LMS_LOG_LEVEL is 'loud': it takes debug, info, warning, error.",
        ),
        (
            {"MCP_TRUTO_LMS_TODAY": "23.11.2026"},
            "MCP_TRUTO_LMS_TODAY is '23.11.2026': it takes a date such as 2026-11-23.",
        ),
        (
            {"MCP_TRUTO_LMS_DEADLINE": "soon"},
            "MCP_TRUTO_LMS_DEADLINE is 'soon': it takes a number from 1 to 3600.",
        ),
        ({"MCP_TRUTO_LMS_DEADLINE": "0"}, "MCP_TRUTO_LMS_DEADLINE is '0': it takes a number from 1 to 3600."),
        ({"MCP_TRUTO_LMS_DEADLINE": "nan"}, "MCP_TRUTO_LMS_DEADLINE is 'nan': it takes a number from 1 to 3600."),
        (
            {"MCP_TRUTO_LMS_CALL_BUDGET": "-1"},
            "MCP_TRUTO_LMS_CALL_BUDGET is '-1': it takes a number from 0 to 100000.",
        ),
        (
            {"MCP_TRUTO_LMS_TOKEN_BUDGET": "20001"},
            "MCP_TRUTO_LMS_TOKEN_BUDGET is '20001': it takes a number from 500 to 20000.",
        ),
    ],
)
def test_the_error_of_a_wrong_setting_names_it_and_what_it_accepts(env: dict[str, str], message: str):
    assert error_of(env) == message


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "Nowhere", "../etc/passwd", "Europe", "/", "x\0y", "é"])
def test_an_unknown_zone_is_refused(zone: str):
    message = error_of({"MCP_TRUTO_LMS_TIMEZONE": zone})
    assert message.startswith("MCP_TRUTO_LMS_TIMEZONE is ")
    assert message.endswith(": it takes a zone such as Europe/Oslo.")


def test_the_sample_portal_can_be_chosen_although_credentials_are_set():
    assert Settings.from_env({**TALENTLMS, "MCP_TRUTO_LMS_SOURCE": "Sample"}).source == "sample"


def test_settings_are_parsed_from_their_variables():
    settings = Settings.from_env(
        {
            **TALENTLMS,
            "MCP_TRUTO_LMS_TIMEZONE": "Europe/Oslo",
            "MCP_TRUTO_LMS_TODAY": "2026-11-23",
            "MCP_TRUTO_LMS_DEADLINE": "45.5",
            "MCP_TRUTO_LMS_CALL_BUDGET": "0",
            "MCP_TRUTO_LMS_TOKEN_BUDGET": "20000",
            "MCP_TRUTO_LMS_LOG_LEVEL": "Debug",
        }
    )
    assert settings == Settings(
        source="talentlms",
        provider_values=TALENTLMS,
        zone=ZoneInfo("Europe/Oslo"),
        today=date(2026, 11, 23),
        deadline_seconds=45.5,
        call_budget=0,
        token_budget=20_000,
        log_level="DEBUG",
    )


def test_blank_variables_and_unfilled_placeholders_are_unset():
    names = ["TALENTLMS_DOMAIN", "TALENTLMS_API_KEY", "TALENTLMS_BASE_URL"]
    names += [f"MCP_TRUTO_LMS_{name}" for name in ("SOURCE", "TIMEZONE", "TODAY", "DEADLINE", "TOKEN_BUDGET")]
    assert Settings.from_env({name: f"${{user_config.{name.lower()}}}" for name in names}) == Settings()
    assert Settings.from_env(dict.fromkeys(names, " ")) == Settings()


def test_secrets_are_not_shown_in_reprs_and_errors():
    for env in (TALENTLMS, TRUTO, {"MCP_TRUTO_LMS_HTTP_TOKENS": KEY * 2}):
        settings = Settings.from_env(env)
        assert KEY not in repr(settings)
        assert KEY not in str(settings)
    for wrong in ({"TALENTLMS_DOMAIN": "a b"}, {"TALENTLMS_BASE_URL": "x"}, {"MCP_TRUTO_LMS_TODAY": "x"}):
        assert KEY not in error_of({**TALENTLMS, **wrong})


def test_the_store_key_of_an_account_under_aliases_reveals_no_secret():
    settings = Settings(
        source="talentlms", provider_values={"TALENTLMS_API_KEY": "the-api-key-of-acme"}, pseudonyms="1"
    )
    (account,) = settings.accounts()
    other_settings = replace(settings, provider_values={"TALENTLMS_API_KEY": "another-api-key"})
    (other_account,) = other_settings.accounts()
    (account_with_names,) = Settings(source="talentlms").accounts()
    assert len({account.key, other_account.key, account_with_names.key}) == 3
    assert account.pseudonymizer is not None
    assert "acme" not in account.key
    assert account.pseudonymizer.key.hex() not in account.key
    assert "key=" not in repr(account.pseudonymizer)
    assert "secret-of-ours" not in repr(Settings(pseudonyms="a-secret-of-ours"))


def test_with_a_fixed_day_the_clock_stands_at_noon_utc():
    clock = Settings(today=date(2026, 11, 23)).clock()
    assert clock() == clock() == datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_without_a_fixed_day_the_clock_is_the_system_clock():
    before = datetime.now(UTC)
    assert before <= Settings().clock()() <= datetime.now(UTC)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_a_loopback_address_may_be_served(host: str):
    check_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "example.com", "", "localhost.evil.com"])
def test_an_address_that_other_machines_can_reach_is_refused(host: str):
    with pytest.raises(ConfigurationError, match=r"can read everyone's learning records\. Use 127\.0\.0\.1\."):
        check_loopback(host)


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_the_log_goes_to_stderr_without_addresses(restored_logging: None, capsys: pytest.CaptureFixture[str]):
    configure_logging("INFO")
    logging.getLogger("mcp_truto_lms.test").info("read")
    logging.getLogger("httpx").info("GET https://acme.talentlms.com/api/v1/users")
    out, err = capsys.readouterr()
    assert out == ""
    assert "INFO mcp_truto_lms.test: read" in err
    assert "acme" not in err
