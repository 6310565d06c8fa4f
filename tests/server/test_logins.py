"""People are found by their logins, where an e-mail address need not identify anybody."""

from __future__ import annotations

import pytest

from tests.conftest import OpenDesk
from tests.server.portals import JANE, OMAR, enrollment, portal_with, with_person

pytestmark = pytest.mark.anyio
ORGANISATION = with_person(portal_with(enrollment(JANE), enrollment(OMAR)), JANE, email="", login="EMP00417")


@pytest.mark.parametrize("login", ["EMP00417", "emp00417", " EMP00417 "])
async def test_a_login_finds_its_person(open_desk: OpenDesk, login: str):
    async with open_desk(of=ORGANISATION) as desk:
        assert (await desk.list(user=login)).startswith("1 of 1 enrollments: Jane Doe")


async def test_a_login_that_is_in_somebodys_name_finds_everybody_of_that_name(open_desk: OpenDesk):
    organisation = with_person(ORGANISATION, OMAR, login="doe")
    async with open_desk(of=organisation) as desk:
        assert "Jane Doe" in await desk.list(user="Doe")


async def test_a_login_of_digits_or_with_an_at_sign_finds_its_person(open_desk: OpenDesk):
    organisation = with_person(with_person(ORGANISATION, JANE, login="00417"), OMAR, login="omar@plant.example")
    async with open_desk(of=organisation) as desk:
        assert (await desk.list(user="00417")).startswith("1 of 1 enrollments: Jane Doe")
        assert (await desk.list(user="Omar@plant.example")).startswith("1 of 1 enrollments: Omar Khan")
