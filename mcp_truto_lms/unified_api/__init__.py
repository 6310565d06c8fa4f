"""The unified endpoint: `GET /unified/lms/...` as Truto's Unified LMS API has it, over any source.

`app.unified_app` makes the ASGI application. It keeps no copy of what it serves: every listing is a live reading of the
provider. What each parameter does here is told in `docs/unified-endpoint.md`.
"""
