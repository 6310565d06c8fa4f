"""The baseline for `bench/startup.py`: a server without tools on the same SDK. It prints nothing."""

from mcp.server import MCPServer

if __name__ == "__main__":
    MCPServer("empty", version="0").run("stdio")
