"""A listing: the records of one request in one order, from any position on.

The order is by course, then by learner, whatever the provider's own order is. So a position says where to continue,
even if people were enrolled or removed in between. Records arrive in batches, and one batch is held at a time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from mcp_truto_lms.domain.definitions import status_of
from mcp_truto_lms.domain.model import Course, UnifiedModel, User
from mcp_truto_lms.domain.source import EnrollmentRecord, Reading
from mcp_truto_lms.unified_api.cursor import Position

Item = EnrollmentRecord | User | Course


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that were read together, each with its position, and whether the provider returned all of them."""

    items: list[tuple[Position, Item]]
    complete: bool = True


class Listing:
    """The records of one request, from a position on.

    Args:
        batches: the batches, as they are read
        after: the position of the last record of the page before
        now: the time at which statuses are judged
    """

    def __init__(self, batches: AsyncGenerator[Batch], after: Position, now: datetime) -> None:
        self._batches = batches
        self._after = after.sort_key
        self._now = now
        self.complete = True
        """Whether the provider returned everything that was read so far."""

    async def records(self) -> AsyncGenerator[tuple[Position, UnifiedModel]]:
        """Yield the records with their positions; each batch is released before the next is read."""
        async with aclosing(self._batches) as batches:
            async for batch in batches:
                self.complete = self.complete and batch.complete
                for position_and_record in self._records_after_position(batch):
                    yield position_and_record
                del batch

    def _records_after_position(self, batch: Batch) -> Iterator[tuple[Position, UnifiedModel]]:
        for position, item in batch.items:
            if position.sort_key > self._after:
                yield position, self._unified_record(item)

    def _unified_record(self, item: Item) -> UnifiedModel:
        if not isinstance(item, EnrollmentRecord):
            return item
        status = status_of(item.enrollment.status, item.access_ends_at, self._now)
        if status is item.enrollment.status:
            return item.enrollment
        return item.enrollment.model_copy(update={"status": status})


def batch_of(items: Iterable[Item], *, complete: bool = True) -> Batch:
    """Return a batch of items in the order of listings."""
    positioned = [(_position(item), item) for item in items]
    positioned.sort(key=lambda pair: pair[0].sort_key)
    return Batch(positioned, complete)


def batch_of_enrollments(reading: Reading) -> Batch:
    """Return a batch of a reading's enrollments, without instructors."""
    learners = [record for record in reading.records if record.is_learner]
    return batch_of(learners, complete=reading.complete)


def _position(item: Item) -> Position:
    if not isinstance(item, EnrollmentRecord):
        return Position(record_id=item.id)
    enrollment = item.enrollment
    return Position(
        course_id=(enrollment.course.id if enrollment.course else None) or "",
        user_id=(enrollment.user.id if enrollment.user else None) or "",
        record_id=enrollment.id,
    )
