"""What differs between Windows and POSIX: signals that end a process, locks on bytes of a file, files of one owner.

No other module of the package asks which system it runs on.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_OWNER_ONLY_FILE = 0o600
_OWNER_ONLY_FOLDER = 0o700
_END_SIGNALS = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGBREAK") if (number := getattr(signal, name, None)) is not None
)
"""SIGBREAK, which is Ctrl-Break, is known on Windows alone."""


@contextmanager
def end_signal_handler(handle: Callable[[], object]) -> Generator[None]:
    """Call a function on every signal that asks the process to end; restore the former handlers afterwards."""

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        handle()

    former_handlers = {number: signal.signal(number, on_signal) for number in _END_SIGNALS}
    try:
        yield
    finally:
        for number, former_handler in former_handlers.items():
            signal.signal(number, former_handler)


def open_owner_only(path: str | Path, flags: int) -> int:
    """Open a file, and let only its owner read and write it where it is created; Windows inherits the folder's rights.

    Args:
        path: the file
        flags: those of `os.open`
    """
    return os.open(path, flags | os.O_CREAT, _OWNER_ONLY_FILE)


def make_owner_only_folder(path: Path) -> None:
    """Create a folder that only its owner can use, where there is none."""
    path.mkdir(mode=_OWNER_ONLY_FOLDER, exist_ok=True)


def is_own(status: os.stat_result) -> bool:
    """Tell whether a file belongs to the user of this process; on Windows the temporary folder is private anyway."""
    return sys.platform == "win32" or status.st_uid == os.getuid()


if sys.platform == "win32":  # pragma: no cover - the tests run on POSIX
    import errno
    import msvcrt

    def lock_byte(descriptor: int, offset: int) -> None:
        """Lock one byte of a file, and wait for the process that holds it."""
        while True:  # LK_LOCK gives up after ten seconds
            os.lseek(descriptor, offset, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            except OSError as error:
                if error.errno != errno.EDEADLK:
                    raise
            else:
                return

    def try_lock_byte(descriptor: int, offset: int) -> bool:
        """Lock one byte of a file, or return False where another process holds it."""
        os.lseek(descriptor, offset, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def unlock_byte(descriptor: int, offset: int) -> None:
        """Release the lock of one byte."""
        os.lseek(descriptor, offset, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def lock_byte(descriptor: int, offset: int) -> None:
        """Lock one byte of a file, and wait for the process that holds it."""
        fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, offset)

    def try_lock_byte(descriptor: int, offset: int) -> bool:
        """Lock one byte of a file, or return False where another process holds it."""
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def unlock_byte(descriptor: int, offset: int) -> None:
        """Release the lock of one byte."""
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, offset)
