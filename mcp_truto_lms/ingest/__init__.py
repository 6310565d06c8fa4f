"""Ingest: decide what a question needs from the LMS, fetch it, and store it."""
