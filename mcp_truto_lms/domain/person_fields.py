"""The custom fields of a person that have a meaning of their own, whichever provider fills them.

Every other custom field is a dimension that people can be filtered and grouped by.
"""

from __future__ import annotations

BRANCH_FIELD = "branches"
"""The names of the units that a person belongs to: the dimension `branch`."""
GROUP_FIELD = "groups"
"""The names of the groups that a person is in, which cut across branches: the dimension `group`."""
TEAM_FIELDS = (BRANCH_FIELD, GROUP_FIELD)
"""The fields that the dimension `team` is made of: branches, or groups where the LMS has no branches."""
ACCOUNT_FIELDS = frozenset({"user_type", "raw_status", "raw_role"})
"""Fields that describe the person's account in the LMS; neither a dimension nor part of an enrollment."""
