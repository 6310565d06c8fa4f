"""The custom fields of a person that have a meaning of their own, whichever provider fills them.

Every other custom field is a dimension that people can be filtered and grouped by.
"""

from __future__ import annotations

TEAM_FIELD = "branches"
"""The names of the units that a person belongs to: the dimension `team`."""
GROUP_FIELD = "groups"
"""The names of the groups that a person is in, which cut across teams; not a dimension."""
ACCOUNT_FIELDS = frozenset({"user_type", "raw_status", "raw_role"})
"""Fields that describe the person's account in the LMS; neither a dimension nor part of an enrollment."""
