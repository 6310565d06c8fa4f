"""The floor to measure against: a server without a tool, on the same SDK."""

from mcp.server import MCPServer

if __name__ == "__main__":
    MCPServer("empty", version="0").run("stdio")
