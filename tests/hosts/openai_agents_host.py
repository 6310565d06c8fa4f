"""The OpenAI Agents SDK, with strict schemas wherever it can make them."""

from __future__ import annotations

import asyncio

from agents import Agent, OpenAIChatCompletionsModel, Runner
from agents.mcp import MCPServerStdio
from openai import AsyncOpenAI
from scripted_model import Conversation, ServerCommand, run_host


def converse(command: ServerCommand, url: str, _: Conversation) -> None:
    async def run() -> None:
        params = {"command": command.command, "args": command.args, "env": command.env}
        async with MCPServerStdio(params=params, client_session_timeout_seconds=60) as server:
            client = AsyncOpenAI(base_url=url, api_key="none")
            agent = Agent(
                name="host",
                model=OpenAIChatCompletionsModel(model="gpt-5", openai_client=client),
                mcp_servers=[server],
                mcp_config={"convert_schemas_to_strict": True},
            )
            await Runner.run(agent, "Go", max_turns=1_000)

    asyncio.run(run())


run_host(converse)
