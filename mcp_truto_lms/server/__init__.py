"""The MCP server: tools, prompts, transports and what belongs to the process."""
