"""MCP server for course enrollments: what is asked is filtered, joined and counted here, not by the model."""

__version__ = "0.1.0"
