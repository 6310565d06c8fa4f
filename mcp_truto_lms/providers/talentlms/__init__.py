"""Raw payloads of the TalentLMS API v1 become unified records here: pure functions, no clock, no network.

The promise of this package: whatever the portal sends, a record comes out whole or the item is skipped and counted.
A field that cannot be read is null. Secrets (one-click logins, signed addresses) end here.
"""
