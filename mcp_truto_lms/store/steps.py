"""Steps: work that looks into the store and reads from the LMS by turns, written in one piece.

It is a generator. It looks through the transaction that is open, in a worker thread, and yields what is to be awaited,
which happens between two transactions. So where nothing has to be read, a whole question is one transaction: one state
of the data, one change of threads, and few trips to a server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from inspect import GEN_RUNNING, getgeneratorstate
from typing import Any, TypeVar

from sqlalchemy import Connection

from mcp_truto_lms.store import account_state
from mcp_truto_lms.store.account_state import AccountState
from mcp_truto_lms.store.database import Database

_Result = TypeVar("_Result")

Awaited = Callable[[], Awaitable[Any]]
"""What is awaited between two transactions; its outcome, or its error, is that of the `yield`."""
Steps = Generator[Awaited, Any, _Result]


@dataclass(slots=True)
class View:
    """The store as the steps see it.

    Args:
        connection: of the transaction that is open, another one after each `yield`
        transactions: how many there were, this one included
    """

    connection: Connection = field(init=False)
    transactions: int = 0
    _standings: dict[str, AccountState] = field(default_factory=dict[str, AccountState])

    def begin(self, connection: Connection) -> None:
        """Go on in another transaction."""
        self.connection, self.transactions = connection, self.transactions + 1
        self._standings.clear()

    def standing(self, account: str) -> AccountState:
        """Tell what is known of an account; in one transaction that stays the same, and is looked up once."""
        if account not in self._standings:
            self._standings[account] = account_state.load(self.connection, account)
        return self._standings[account]


async def follow(database: Database, begin: Callable[[View], Steps[_Result]]) -> _Result:
    """Follow steps to their end, and answer what they return.

    Raises:
        StoreError: the store cannot be used now.
    """
    view = View()
    steps = begin(view)
    go_on: Callable[[], Awaited] = partial(next, steps)

    ended: list[_Result] = []

    def advance(connection: Connection) -> Awaited | None:
        view.begin(connection)
        try:
            return go_on()
        except StopIteration as end:
            ended.append(end.value)
            return None

    try:
        while (wanted := await database.run(advance)) is not None:
            try:
                outcome = await wanted()
            except Exception as error:  # noqa: BLE001  it is the steps' to deal with
                go_on = partial(steps.throw, error)
            else:
                go_on = partial(steps.send, outcome)
    finally:
        if getgeneratorstate(steps) != GEN_RUNNING:  # a task that the loop itself cancels does not wait for its thread
            steps.close()
    return ended[0]
