"""Pydantic AI with a model of OpenAI."""

from __future__ import annotations

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import UsageLimits
from scripted_model import Conversation, ServerCommand, run_host


def converse(command: ServerCommand, url: str, _: Conversation) -> None:
    model = OpenAIChatModel("gpt-5", provider=OpenAIProvider(base_url=url, api_key="none"))
    toolset = MCPToolset(StdioTransport(command.command, command.args, env=command.env))
    Agent(model, toolsets=[toolset]).run_sync("Go", usage_limits=UsageLimits(request_limit=None))


run_host(converse)
