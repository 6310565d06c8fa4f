"""google-genai with a session of MCP among its tools."""

from __future__ import annotations

import asyncio

from google import genai
from google.genai.types import HttpOptions
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from scripted_model import Conversation, ServerCommand, run_host


def converse(command: ServerCommand, url: str, _: Conversation) -> None:
    async def run() -> None:
        server = StdioServerParameters(command=command.command, args=command.args, env=command.env)
        async with stdio_client(server) as streams, ClientSession(*streams) as session:
            await session.initialize()
            client = genai.Client(api_key="none", http_options=HttpOptions(base_url=url))
            config = {"tools": [session], "automatic_function_calling": {"maximum_remote_calls": 1_000}}
            await client.aio.models.generate_content(model="gemini-scripted", contents="Go", config=config)

    asyncio.run(run())


run_host(converse)
