"""The vendor's example payloads with some fields changed, mapped to an enrollment."""

import json
from datetime import UTC, datetime

from vendor_payloads import COURSE, USER

from mcp_truto_lms.providers.talentlms import enrollments


def at(stamp):
    return datetime.fromtimestamp(stamp, UTC)


def as_read_back(record):
    return type(record).model_validate(json.loads(record.model_dump_json()))


def transcript_of(item, courses=None, **changes):
    raw = {**USER, "courses": [{**USER["courses"][0], **item}], **changes}
    return enrollments.transcript(raw, courses=courses or {}).records[0]


def roster_of(item, **changes):
    raw = {**COURSE, "users": [{**COURSE["users"][0], **item}], **changes}
    return enrollments.roster(raw, learners={}).records[0]
