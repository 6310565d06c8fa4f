"""Locks across processes: one byte of one file each, given back by the system when a process dies.

On POSIX such locks belong to the process: it could take the same byte twice, and closing any descriptor of the file
gives all of them back. So a process has one descriptor per file, shared by all that name the same file, and remembers
what it holds itself.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar

from mcp_truto_lms.domain.errors import StoreError

_OPENING = 0
"""The byte that is held while the store is built; keys take the bytes after it."""


class LockFile:
    """The locks of one file in this process."""

    _known: ClassVar[weakref.WeakValueDictionary[str, LockFile]] = weakref.WeakValueDictionary()
    _finding = threading.Lock()

    def __init__(self, path: str) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            raise StoreError(f"{path} cannot be opened. Give this user the right to read and write it.") from None
        weakref.finalize(self, os.close, self._descriptor)
        self._held: set[int] = set()
        self._turn = threading.Lock()

    @classmethod
    def of(cls, path: str) -> LockFile:
        """Give the one lock file of a path."""
        key = str(Path(path).resolve())
        with cls._finding:
            found = cls._known.get(key) or cls(path)
            cls._known[key] = found
            return found

    def try_lock(self, key: str) -> bool:
        """Take the lock of a key, or answer False where anybody holds it."""
        offset = _offset(key)
        with self._turn:
            if offset in self._held or not _try_lock(self._descriptor, offset):
                return False
            self._held.add(offset)
            return True

    def unlock(self, key: str) -> None:
        """Give the lock of a key back."""
        offset = _offset(key)
        with self._turn:
            if offset in self._held:
                self._held.remove(offset)
                _unlock(self._descriptor, offset)

    @contextmanager
    def opening(self) -> Generator[None]:
        """Be the only process that builds the store; wait for the one that does."""
        with self._turn:
            _lock(self._descriptor, _OPENING)
            try:
                yield
            finally:
                _unlock(self._descriptor, _OPENING)


def _offset(key: str) -> int:
    """Find the byte of a key, within what Windows can lock."""
    digest = blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()
    return 1 + int.from_bytes(digest) % (2**31 - 2)


if sys.platform == "win32":  # pragma: no cover - not run where the tests run
    import errno
    import msvcrt

    def _lock(descriptor: int, offset: int) -> None:
        while True:  # LK_LOCK gives up after ten seconds
            os.lseek(descriptor, offset, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            except OSError as error:
                if error.errno != errno.EDEADLK:
                    raise
            else:
                return

    def _try_lock(descriptor: int, offset: int) -> bool:
        os.lseek(descriptor, offset, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int, offset: int) -> None:
        os.lseek(descriptor, offset, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int, offset: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, offset)

    def _try_lock(descriptor: int, offset: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(descriptor: int, offset: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, offset)
