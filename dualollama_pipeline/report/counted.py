"""The page's words are written for two agents on two servers: here, for another number of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dualollama_pipeline.report.model import Summary

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
WRITTEN_FOR = 2
REPLACED = (
    (r"\btwo (agents|servers|Ollama servers)\b", r"{word} \1"),
    (r"\bTwo (agents|servers|Ollama servers)\b", r"{Word} \1"),
    (r"\bthe two agents'", "the agents'"),
    (r"\bboth (agents|at once|servers)\b", r"all \1"),
    (r"\bBoth (agents|at once|servers)\b", r"All \1"),
    (r"\bboth of them", "all of them"),
    (r"\b([Aa]) second server\b", r"\1 server for each"),
    (r"\ba second does not pay\b", "one for each does not pay"),
    (r"\b2 is as if\b", "{n} is as if"),
)


def for_agents(text: str, n_agents: int) -> str:
    """Return a text of the page as it reads for `n_agents` agents, each with a server."""
    if n_agents == WRITTEN_FOR:
        return text
    word = WORDS[n_agents]
    for pattern, said in REPLACED:
        plain = said.replace("{word}", word).replace("{Word}", word.capitalize())
        text = re.sub(pattern, plain.replace("{n}", str(n_agents)), text)
    return re.sub(r"\b([Oo]ne) (agent|server|Ollama server)s\b", r"\1 \2", text)


def summary_for(summary: Summary) -> Summary:
    """Return a summary whose texts are for its number of agents."""
    if summary.n_agents == WRITTEN_FOR:
        return summary
    return Summary.model_validate_json(for_agents(summary.model_dump_json(), summary.n_agents))


def drawings_for(drawings: Mapping[str, str], n_agents: int) -> dict[str, str]:
    """Return drawings whose texts are for `n_agents` agents."""
    return {name: for_agents(svg, n_agents) for name, svg in drawings.items()}
