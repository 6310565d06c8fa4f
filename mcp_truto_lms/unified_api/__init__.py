"""The unified endpoint: `GET /unified/lms/...` as in Truto's Unified LMS API, over any source.

`app.unified_app` makes the ASGI application. It stores nothing that it serves: every listing is read from the provider
when it is requested. `docs/unified-endpoint.md` documents what each parameter does here.
"""
