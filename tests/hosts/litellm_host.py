"""LiteLLM with a model of Gemini."""

from __future__ import annotations

import asyncio

from litellm import acompletion
from litellm.mcp_client import call_openai_tool, load_mcp_tools
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from scripted_model import Conversation, ServerCommand, run_host


def converse(command: ServerCommand, url: str, _: Conversation) -> None:
    async def run() -> None:
        server = StdioServerParameters(command=command.command, args=command.args, env=command.env)
        async with stdio_client(server) as streams, ClientSession(*streams) as session:
            await session.initialize()
            tools = await load_mcp_tools(session, format="openai")
            messages = [{"role": "user", "content": "Go"}]
            while True:
                completion = await acompletion(
                    model="gemini/gemini-2.5-pro", messages=messages, tools=tools, api_base=url, api_key="none"
                )
                message = completion.choices[0].message
                messages.append(message)
                if not message.tool_calls:
                    return
                for call in message.tool_calls:
                    result = await call_openai_tool(session, call)
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": result.content[0].text})

    asyncio.run(run())


run_host(converse)
