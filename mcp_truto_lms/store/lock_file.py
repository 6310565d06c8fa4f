"""Locks across processes: each is one byte of one file, and the system releases it when its process dies.

A store holds one lock for each scope. The library `filelock` locks whole files, so it would need a file for each scope.

POSIX locks belong to the process: it could lock the same byte twice, and closing any descriptor of the file releases
all of them. So a process has one descriptor for each file, shared by all stores of the same path, and remembers what it
holds.
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

_REBUILD_OFFSET = 0
"""The byte that is locked while the store is rebuilt; keys use the bytes after it."""
_MAX_OFFSET = 2**31 - 2
"""What Windows can lock."""


class LockFile:
    """The locks that this process holds on one file."""

    _by_path: ClassVar[weakref.WeakValueDictionary[str, LockFile]] = weakref.WeakValueDictionary()
    _by_path_lock = threading.Lock()

    def __init__(self, path: str) -> None:
        try:
            self._descriptor = open_owner_only(path, os.O_RDWR)
        except OSError:
            raise StoreError(f"{path} cannot be opened. Give this user the right to read and write it.") from None
        weakref.finalize(self, os.close, self._descriptor)
        self._held: set[int] = set()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, path: str) -> LockFile:
        """Return the lock file of a path: the same one for all stores of this process."""
        resolved_path = str(Path(path).resolve())
        with cls._by_path_lock:
            lock_file = cls._by_path.get(resolved_path) or cls(path)
            cls._by_path[resolved_path] = lock_file
            return lock_file

    def try_lock(self, key: str) -> bool:
        """Take the lock of a key, or return False if this process or another one holds it."""
        offset = _offset(key)
        with self._lock:
            if offset in self._held or not try_lock_byte(self._descriptor, offset):
                return False
            self._held.add(offset)
            return True

    def unlock(self, key: str) -> None:
        """Release the lock of a key."""
        offset = _offset(key)
        with self._lock:
            if offset in self._held:
                self._held.remove(offset)
                unlock_byte(self._descriptor, offset)

    @contextmanager
    def rebuilding(self) -> Generator[None]:
        """Hold the lock of the process that rebuilds the store; wait while another process holds it."""
        with self._lock:
            lock_byte(self._descriptor, _REBUILD_OFFSET)
            try:
                yield
            finally:
                unlock_byte(self._descriptor, _REBUILD_OFFSET)


def _offset(key: str) -> int:
    """Return the byte of a key."""
    digest = blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()
    return 1 + int.from_bytes(digest) % _MAX_OFFSET
