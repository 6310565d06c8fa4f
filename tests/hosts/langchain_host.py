"""LangChain's adapter, and the conversion of its tools for OpenAI; it needs the MCP SDK before 2.0."""

from __future__ import annotations

import asyncio
import json

from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from scripted_model import Conversation, ServerCommand, run_host


def converse(command: ServerCommand, _: str, conversation: Conversation) -> None:
    async def run() -> None:
        connection = {"transport": "stdio", "command": command.command, "args": command.args, "env": command.env}
        client = MultiServerMCPClient({"lms": connection})
        async with client.session("lms") as session:
            tools = {tool.name: tool for tool in await load_mcp_tools(session)}
            body = {"tools": [convert_to_openai_tool(tool) for tool in tools.values()], "messages": []}
            while calls := conversation.as_openai(body)["choices"][0]["message"].get("tool_calls"):
                function = calls[0]["function"]
                call = {"type": "tool_call", "id": calls[0]["id"], "args": json.loads(function["arguments"])}
                message = await tools[function["name"]].ainvoke(call | {"name": function["name"]})
                body["messages"].append({"role": "tool", "content": message.content})

    asyncio.run(run())


run_host(converse)
