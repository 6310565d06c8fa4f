"""Locks across processes: one byte of one file each, given back by the system when a process dies.

On POSIX such locks belong to the process: it could take the same byte twice, and closing any descriptor of the file
gives all of them back. So a process has one descriptor per file, shared by all that name the same file, and remembers
what it holds itself.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar

from mcp_truto_lms.domain.errors import StoreError
from mcp_truto_lms.operating_system import lock_byte, open_owner_only, try_lock_byte, unlock_byte

_OPENING = 0
"""The byte that is held while the store is built; keys take the bytes after it."""


class LockFile:
    """The locks of one file in this process."""

    _known: ClassVar[weakref.WeakValueDictionary[str, LockFile]] = weakref.WeakValueDictionary()
    _finding = threading.Lock()

    def __init__(self, path: str) -> None:
        try:
            self._descriptor = open_owner_only(path, os.O_RDWR)
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
            if offset in self._held or not try_lock_byte(self._descriptor, offset):
                return False
            self._held.add(offset)
            return True

    def unlock(self, key: str) -> None:
        """Give the lock of a key back."""
        offset = _offset(key)
        with self._turn:
            if offset in self._held:
                self._held.remove(offset)
                unlock_byte(self._descriptor, offset)

    @contextmanager
    def opening(self) -> Generator[None]:
        """Be the only process that builds the store; wait for the one that does."""
        with self._turn:
            lock_byte(self._descriptor, _OPENING)
            try:
                yield
            finally:
                unlock_byte(self._descriptor, _OPENING)


def _offset(key: str) -> int:
    """Find the byte of a key, within what Windows can lock."""
    digest = blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()
    return 1 + int.from_bytes(digest) % (2**31 - 2)
