"""Truto's Unified LMS API: a client for everyone, and how its answers are read.

`client.TrutoClient` speaks the API as it is, without judging what it says. `records` settles what a customer's own
mapping may have bent, and `remote` reads the provider's payload where one came along. What of it is allowed for an
account is learnt by `sources.truto`, which plans around it.
"""
