"""A clock for the limits of the sandbox."""

WAIT_SECONDS = 60
"""How long a test waits at most for a server, however busy the machine is."""


class FakeClock:
    """A clock that only tests and its own sleep move."""

    def __init__(self) -> None:
        self.seconds = 50.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
