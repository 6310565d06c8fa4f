"""TalentLMS: its API client, the source over it, and the mapping of raw payloads to unified records.

The mapping is pure functions without clock or network. Whatever the portal sends, a record is mapped whole, or the item
is skipped and counted. A field that cannot be parsed is null. Secrets (one-click logins, signed addresses) are removed.
"""
