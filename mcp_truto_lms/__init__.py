"""MCP server for course enrollments: it filters, joins and counts, so that the model does not have to.

`TrutoClient`, the client of Truto's unified LMS API, can be imported from here; it is loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp_truto_lms.providers.truto.client import TrutoClient

__version__ = "0.1.0"
__all__ = ["TrutoClient", "__version__"]


def __getattr__(name: str) -> object:
    if name == "TrutoClient":
        from mcp_truto_lms.providers.truto.client import TrutoClient

        return TrutoClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
