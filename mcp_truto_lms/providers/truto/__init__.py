"""Truto's Unified LMS API: a client for any Python program, and a source that reads one integrated account.

`client.TrutoClient` sends requests and returns Truto's JSON unchanged. `records` parses unified records whose mapping a
customer may have changed, and `talentlms_payload` reads the provider's own payload where a record carries it.
`source.TrutoSource` learns what an account allows and chooses a read method for each scope.
"""
