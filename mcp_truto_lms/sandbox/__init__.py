"""The sample portal: a generated organisation behind an emulator of the TalentLMS v1 API.

`organisation.generate` makes the organisation, from which tests also compute the expected answers. `portal.sample_app`
serves it through the API, in process or, with `portal.serve`, on a port. It is for demonstrations and tests: no person
or company in it is real, and its key gives access to nothing.
"""
