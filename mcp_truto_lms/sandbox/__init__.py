"""The sample portal: a generated organisation behind an emulator of the TalentLMS v1 API.

`organisation.generate` makes the organisation, which is also the truth that tests count over; `portal.sample_app`
puts it behind the API, in process or, with `portal.serve`, on a port. It is for trying out and for tests: nothing in
it is about a real person or company, and its key opens nothing.
"""
