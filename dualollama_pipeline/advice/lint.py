"""What the report warns of (sections 7.3 and 9.4), as rules over configurations and deployments.

A rule says what it warns of and when it fires; what the data say of it is rule_evidence.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dualollama_pipeline.core.study import Configuration

PAIR = 2
FULL_OFFLOAD, LOW_OFFLOAD, LOW_TEMPERATURE = 120, 60, 0.8


@dataclass(frozen=True)
class Rule:
    """One rule; `fires` is None where it looks at something else than a configuration."""

    name: str
    section: str
    applies_to: str
    statement: str
    fix: str
    fires: Callable[[Configuration], bool] | None = None


def _full_offload_beside_default(each: Configuration) -> bool:
    """The rules are about pairs: of another number of agents they say nothing."""
    asked = each.agents[-1][1].num_gpu
    is_mixed = each.scenario == Scenario.BASELINE_VS_CHIMERA
    return is_mixed and asked is not None and asked >= FULL_OFFLOAD


def _cool_homo(each: Configuration) -> bool:
    return each.scenario == Scenario.CHIMERA_HOMO and _cool(each)


def _cool(each: Configuration) -> bool:
    given = [spec.temperature for _, spec in each.agents]
    return any(value is not None and value < LOW_TEMPERATURE for value in given)


def _symmetric(each: Configuration) -> bool:
    asked = [spec.num_gpu for _, spec in each.agents]
    return len(asked) == PAIR and asked[0] is not None and asked[0] == asked[1]


def _symmetric_low(each: Configuration) -> bool:
    asked = each.agents[0][1].num_gpu
    return _symmetric(each) and asked is not None and asked <= LOW_OFFLOAD


RULES = (
    Rule(
        "AP1", "7.3", "configuration",
        "num_gpu 120 or more beside an agent with default options",
        "num_gpu 80 in mixed deployments", _full_offload_beside_default,
    ),
    Rule(
        "AP2", "7.3", "configuration",
        "a temperature below 0.8 where both agents ask for the same",
        "temperature 0.8 or more", _cool_homo,
    ),
    Rule(
        "AP3", "7.3", "deployment",
        "one Ollama server for two or more agents",
        "a server for each agent",
    ),
    Rule(
        "AP4", "7.3", "configuration",
        "the same low num_gpu (60 or less) for both agents",
        "num_gpu 60/80, better 80/100 or 120/140", _symmetric_low,
    ),
    Rule(
        "BP1", "9.4", "deployment",
        "fewer servers than agents",
        "dual Ollama is mandatory",
    ),
    Rule(
        "BP2", "9.4", "configuration",
        "the same num_gpu for both agents",
        "asymmetric num_gpu, such as 120/140", _symmetric,
    ),
    Rule(
        "BP3", "9.4", "configuration",
        "a temperature below 0.8",
        "temperature 0.8 or 1.0", _cool,
    ),
    Rule(
        "BP4", "9.4", "operation",
        "no alert on a TTFT delta above 1000 ms",
        "watch |TTFT_A - TTFT_B|, alert above 1000 ms",
    ),
    Rule(
        "BP5", "9.4", "operation",
        "all traffic at once",
        "begin with 5 to 10 %, 25 % more every 2 weeks, all after 4 to 6 weeks",
    ),
)  # fmt: skip


def lint_configuration(configuration: Configuration) -> list[Rule]:
    """Return the rules that warn of a configuration."""
    return [rule for rule in RULES if rule.fires is not None and rule.fires(configuration)]


def lint_deployment(urls: Sequence[str | None]) -> list[Rule]:
    """Return the rules that warn of agents' servers; a URL that is not given may be any."""
    given = [url.rstrip("/").casefold() for url in urls if url is not None]
    if len(set(given)) == len(given):
        return []
    return [rule for rule in RULES if rule.applies_to == "deployment"]
