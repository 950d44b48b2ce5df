"""What servers speak, and what a study cannot ask of those that do not speak Ollama's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dualollama_pipeline.core.specs import AgentSpec
    from dualollama_pipeline.core.study import Agent

Protocol = Literal["ollama", "openai"]
OLLAMA: Protocol = "ollama"
# Options that an OpenAI-compatible server takes when it is started, and llama-server's words.
OF_THE_START = {
    "num_gpu": "llama-server -ngl",
    "num_ctx": "llama-server -c",
    "think": "llama-server --reasoning-budget",
}


def refuse_what_it_cannot(
    config_id: str, asked: Sequence[tuple[Agent, AgentSpec]], protocols: Mapping[str, Protocol]
) -> None:
    """Refuse what one arm asks of a server that has one model, with the context of its start.

    `asked` are the arm's agents, each where it runs in it; `protocols` lacks Ollama's servers.

    Raises:
        ValueError: names the configuration, the field, the agent, the server and the way out.
    """
    models: dict[str, dict[str, str | None]] = {}
    for agent, spec in asked:
        if agent.server not in protocols:
            continue
        models.setdefault(agent.server, {})[agent.name] = spec.model
        of = f"of server {agent.server!r} (protocol openai)"
        for name, word in OF_THE_START.items():
            if getattr(spec, name) is not None:
                msg = (
                    f"{config_id}: {name} of {agent.name} cannot be asked {of}: leave it out, and "
                    f"start the server with it ({word})"
                )
                raise ValueError(msg)
    for server, wanted in models.items():
        if len(set(wanted.values())) > 1:
            told = ", ".join(f"{name}: {model or 'no model'}" for name, model in wanted.items())
            msg = (
                f"{config_id}: server {server!r} (protocol openai) has one model, and `shared` "
                f"needs {told}; write one model for all agents, or leave `shared` out "
                "(`arms: [apart]`)"
            )
            raise ValueError(msg)
