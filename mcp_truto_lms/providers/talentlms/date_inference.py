"""Inference of a portal's time zone and order of dates, from rows with a printed date beside its timestamp.

The difference of the two is the portal's offset from UTC at that moment. A zone fits if it has every observed offset.
Of those that fit, the one that most people have in their profiles is chosen, else a common one. If only one offset was
seen, the zone is that offset. A zone that was chosen, now or by an earlier process, stays until a row contradicts it,
so that the days of an answer do not move. A row that contradicts all others is ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone, tzinfo
from itertools import chain
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mcp_truto_lms.providers.payload_values import as_object, epoch, text
from mcp_truto_lms.providers.talentlms.dates import UNKNOWN_DATES, DateOrder, PortalDates, parse_local
from mcp_truto_lms.providers.talentlms.zones import resolve_zone

COMMON_ZONES = (
    "Europe/London", "Europe/Berlin", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "America/Anchorage", "America/Halifax", "America/St_Johns", "America/Sao_Paulo",
    "America/Santiago", "Africa/Cairo", "Asia/Jerusalem", "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland",
)  # fmt: skip
"""Zones with summer time, the most common first."""
MIN_CONTRADICTIONS = 3
"""So many days of one answer have to agree on another zone before the zone changes though no zone fits all."""

_DATE_FIELDS = ("enrolled_on", "completed_on", "expired_on", "last_updated")
_MIN_OFFSET, _MAX_OFFSET, _OFFSET_STEP = timedelta(hours=-12), timedelta(hours=14), timedelta(minutes=15)
_HALF_A_YEAR = timedelta(days=182)


@dataclass(frozen=True, slots=True)
class _Sample:
    """The offset from UTC that a row shows for a moment."""

    moment: datetime
    offset: timedelta

    def fits(self, zone: tzinfo) -> bool:
        return self.moment.astimezone(zone).utcoffset() == self.offset


class DateInference:
    """How a portal prints dates, as far as its rows and `siteinfo` tell.

    Attributes:
        known: the order and the zone, each None while unknown
    """

    def __init__(self) -> None:
        self.known: PortalDates = UNKNOWN_DATES
        self._is_zone_told = False
        self._samples: dict[tuple[int, timedelta], _Sample] = {}
        self._seen_days: set[int] = set()
        self._zones_of_people = Counter[str]()

    def accept_siteinfo(self, dates: PortalDates) -> None:
        """Accept what `siteinfo` says, which needs no inference."""
        self._is_zone_told = self._is_zone_told or dates.zone is not None
        self.known = PortalDates(zone=dates.zone or self.known.zone, order=dates.order or self.known.order)

    def assume_zone(self, zone: tzinfo) -> None:
        """Begin with the zone that an earlier process inferred."""
        if self.known.zone is None:
            self.known = replace(self.known, zone=zone)

    def observe_people(self, items: Sequence[object]) -> None:
        """Learn from people, who have a zone each."""
        if not self._is_zone_told:
            self._zones_of_people.update(zone for item in items if (zone := text(as_object(item).get("timezone"))))
        self.observe(items)

    def observe(self, items: Iterable[object]) -> None:
        """Learn from items with dates."""
        if self._is_zone_told and self.known.order is not None:
            return
        pairs = [pair for pair in _pairs(items) if _day(pair[0]) not in self._seen_days]
        orders = [self.known.order] if self.known.order is not None else [*DateOrder]
        samples_by_order = {order: [sample for pair in pairs if (sample := _sample(*pair, order))] for order in orders}
        most = max(map(len, samples_by_order.values()))
        if not most:
            return
        fitting = [order for order, samples in samples_by_order.items() if len(samples) == most]
        if len(fitting) == 1:
            self.known = replace(self.known, order=fitting[0])
            self._seen_days.update(_day(sample.moment) for sample in samples_by_order[fitting[0]])
        if not self._is_zone_told:
            self._learn_zone(samples_by_order[fitting[0]])

    def _learn_zone(self, samples: Sequence[_Sample]) -> None:
        zone = self.known.zone
        observed = self._samples | _by_week(samples)
        if zone is None or not all(sample.fits(zone) for sample in samples):
            zone = self._inferred(observed, samples)
            if zone is None:
                return
            self.known = replace(self.known, zone=zone)
        self._samples = {key: sample for key, sample in observed.items() if sample.fits(zone)}

    def _inferred(self, observed: dict[tuple[int, timedelta], _Sample], new: Sequence[_Sample]) -> tzinfo | None:
        """Infer the zone of all samples; where none fits them all, that of the new ones, if they are enough."""
        zone = self.known.zone
        if zone is not None and not self._samples:  # what the samples of an earlier process showed
            earlier = [sample.moment - _HALF_A_YEAR for sample in observed.values()]
            shown = [_Sample(moment, moment.astimezone(zone).utcoffset() or timedelta()) for moment in earlier]
            inferred = self._fitting_zone([*observed.values(), *shown])
            if inferred is not None:
                return inferred
        inferred = self._fitting_zone([*observed.values()])
        if inferred is not None and (zone is None or self._samples):
            return inferred
        if zone is None:
            return self._most_fitting_zone(new)
        days = {_day(sample.moment) for sample in new if not sample.fits(zone)}
        is_changed = len(days) >= MIN_CONTRADICTIONS and not any(sample.fits(zone) for sample in new)
        return self._fitting_zone(new) if is_changed else None

    def _most_fitting_zone(self, samples: Sequence[_Sample]) -> tzinfo:
        """Return the zone that most samples fit, where some row contradicts the others."""
        common_zones = [zone for name in COMMON_ZONES if (zone := _zone(name)) is not None]
        zones = [*self._likely_zones(), *common_zones, *(timezone(sample.offset) for sample in samples)]
        return max(zones, key=lambda zone: sum(sample.fits(zone) for sample in samples))

    def _fitting_zone(self, samples: Sequence[_Sample]) -> tzinfo | None:
        """Return the zone that all samples fit."""
        offsets = {sample.offset for sample in samples}
        zones: Iterable[tzinfo] = self._likely_zones()
        if len(offsets) == 1:
            zones = chain(zones, map(timezone, offsets))
        else:
            names = dict.fromkeys([*COMMON_ZONES, *sorted(available_timezones())])
            zones = chain(zones, (zone for name in names if (zone := _zone(name)) is not None))
        return next((zone for zone in zones if all(sample.fits(zone) for sample in samples)), None)

    def _likely_zones(self) -> Iterator[ZoneInfo]:
        for printed, _ in self._zones_of_people.most_common():
            if isinstance(zone := resolve_zone(printed), ZoneInfo):
                yield zone


def _pairs(items: Iterable[object]) -> Iterator[tuple[datetime, str]]:
    """Yield the moments of items that are also printed."""
    for item in map(as_object, items):
        for name in _DATE_FIELDS:
            timestamp, printed = item.get(f"{name}_timestamp"), item.get(name)
            if timestamp and printed and (moment := epoch(timestamp)) is not None and (word := text(printed)):
                yield moment, word


def _sample(moment: datetime, printed: str, order: DateOrder) -> _Sample | None:
    """Return the offset that a printed date shows, None if no zone has it: then the order is another one."""
    local = parse_local(printed, order)
    if local is None or ":" not in printed:
        return None
    difference = local - moment.replace(tzinfo=None, microsecond=0)
    offset = round(difference / _OFFSET_STEP) * _OFFSET_STEP
    is_offset = _MIN_OFFSET <= offset <= _MAX_OFFSET and abs(difference - offset) < timedelta(minutes=1)
    return _Sample(moment, offset) if is_offset else None


def _by_week(samples: Iterable[_Sample]) -> dict[tuple[int, timedelta], _Sample]:
    return {(_day(sample.moment) // 7, sample.offset): sample for sample in samples}


def _day(moment: datetime) -> int:
    return int(moment.timestamp()) // 86_400


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return None
