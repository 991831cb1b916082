"""The agent CLIs that looop knows as workers, and how to speak of any other."""

from looop.loop.workers.agents.base import (
    Agent,
    AgentState,
    Brief,
    Limit,
    Permission,
    Tally,
    transcript_id,
)
from looop.loop.workers.agents.claude import CLAUDE
from looop.loop.workers.agents.codex import CODEX
from looop.loop.workers.agents.pi import PI
from looop.loop.workers.agents.plain import PLAIN

__all__ = [
    "AGENTS",
    "Agent",
    "AgentState",
    "Brief",
    "Limit",
    "Permission",
    "Tally",
    "agent_of",
    "transcript_id",
]

# Those whose transcripts are found and read, by the name of their runner.
AGENTS: dict[str, Agent] = {agent.name: agent for agent in (CLAUDE, CODEX, PI)}


def agent_of(runner: str) -> Agent:
    """The agent behind a runner's name; one of which nothing is known for any other name."""
    return AGENTS.get(runner, PLAIN)
