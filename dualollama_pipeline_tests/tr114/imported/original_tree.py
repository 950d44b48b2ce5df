"""Run folders in the original's layout, from arithmetic of our own: 27 configurations, 5 runs.

Two agents share one GPU: alone a decode makes SOLO_TOK_PER_S, together each SHARE of that. All
truths that a test compares with follow from these constants. The oddities of the originals are in:
both spellings, a stream without a final record, a loop, cold and one-sided loads, 32-bit options.
"""

from __future__ import annotations

import json
import random
import struct
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dualollama_pipeline.core.study import Configuration, Study
from dualollama_pipeline.tr114.audit.evidence import load_plan

SOLO_TOK_PER_S = 100.0
SHARE = 0.38
LOAD_S, PROMPT_S, INGEST_S, COLD_S = 0.25, 0.08, 0.03, 5.0
START = datetime(2025, 11, 14, 20, 0, tzinfo=UTC)
FAILED = ("test005", 4)
LOOP = ("test100", 2)
FIRST_NUMBERS = {"chimera_homo": "chimera-homo", "baseline_vs_chimera": "baseline-vs-chimera"}


def plan() -> Study:
    return load_plan(Path(__file__).parents[3] / "data" / "published")


def float32(value: float) -> float:
    """What a program writes that holds the number in 32 bits."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


@dataclass
class CallPlan:
    """What one call shall do: load, evaluate its prompt, make tokens."""

    tokens: int
    load_s: float = LOAD_S
    final_record: bool = True
    text: str = ""
    first: float = field(default=0.0, init=False)
    start: float = field(default=0.0, init=False)
    prompt_done: float = field(default=0.0, init=False)
    prompt_begun: float = field(default=0.0, init=False)
    end: float = field(default=0.0, init=False)


def share_gpu(agents: list[list[CallPlan]]) -> None:
    """Place all calls in time: processor sharing among those that evaluate or decode."""
    now = 0.0
    steps = [[["wait", INGEST_S, None]] for _ in agents]
    for mine, calls in zip(steps, agents, strict=True):
        for call in calls:
            mine.append(["load", call.load_s, call])
            mine.append(["prompt", PROMPT_S, call])
            mine.append(["decode", call.tokens / SOLO_TOK_PER_S, call])
    while any(steps):
        active = [mine[0] for mine in steps if mine]
        busy = sum(step[0] in {"prompt", "decode"} for step in active)
        rates = {
            id(s): (SHARE if s[0] in {"prompt", "decode"} and busy > 1 else 1.0) for s in active
        }
        elapsed = min(step[1] / rates[id(step)] for step in active)
        for step in active:
            step[1] -= elapsed * rates[id(step)]
        now += elapsed
        for mine in steps:
            if mine and mine[0][1] <= 1e-12:
                _finished(mine.pop(0), now)


def _finished(step: list[Any], now: float) -> None:
    kind, _, call = step
    if kind == "load":
        call.start, call.prompt_begun = now - call.load_s, now
    elif kind == "prompt":
        call.prompt_done = call.first = now
    elif kind == "decode":
        call.end = now


def metrics(call: CallPlan) -> dict[str, Any]:
    final = call.final_record
    decode_s = call.end - call.first
    return {
        "eval_duration_ms": 1000 * decode_s if final else 0.0,
        "load_duration_ms": 1000 * call.load_s if final else 0.0,
        "prompt_eval_duration_ms": 1000 * (call.first - call.prompt_begun) if final else 0.0,
        "throughput_tokens_per_sec": call.tokens / decode_s if final else 0.0,
        "tokens_generated": call.tokens if final else 0,
        "total_duration_ms": 1000 * (call.end - call.start),
        "ttft_ms": 1000 * (call.first - call.start),
    }


def agent(
    role: str, port: int, options: dict[str, Any], calls: list[CallPlan], began: datetime
) -> dict[str, Any]:
    total_s = calls[-1].end
    workflow = {
        "ingest_seconds": INGEST_S,
        "analysis_seconds": calls[0].end - calls[0].start,
        "report_seconds": calls[1].end - calls[1].start,
        "total_seconds": total_s,
    }
    return {
        "config": {
            "base_url": f"http://localhost:{port}",
            "id": role,
            "model": "gemma3:latest",
            "options": options,
            "prompt": "not sent",
        },
        "execution_time_s": total_s,
        "result": {
            "llm_calls": [
                {"stage": stage, "metrics": metrics(call), "prompt": "p", "response": call.text}
                for stage, call in zip(("analysis", "report"), calls, strict=True)
            ],
            "workflow": workflow,
            "timestamp": (began + timedelta(seconds=total_s)).isoformat().replace("+00:00", "Z"),
            "system_info": {"os": "windows", "rust_version": "1.90.0", "arch": "x86_64"},
        },
    }


def run_file(configuration: Configuration, number: int, began: datetime) -> dict[str, Any]:
    """One `metrics.json`, scored as the original did."""
    draw = random.Random(zlib.crc32(f"{configuration.config_id}/{number}".encode()))
    key = (configuration.config_id, number)
    plans = [[CallPlan(draw.randint(950, 1100)), CallPlan(draw.randint(1050, 1350))] for _ in "ab"]
    if number == 1:  # a changed num_gpu loads; the default agent keeps what is there
        plans[1][0].load_s = COLD_S
        if configuration.of("collector").given():
            plans[0][0].load_s = COLD_S
    if key == FAILED:
        plans[0][1] = CallPlan(20_000, final_record=False, text="loop and " * 4000)
    if key == LOOP:
        plans[1][1] = CallPlan(7157, text="\u2003 " * 1800)
    share_gpu(plans)
    options = [
        {k: float32(v) if isinstance(v, float) else v for k, v in spec.given().items()}
        for _, spec in configuration.agents
    ]
    agents = [
        agent(role, 11434 + i, options[i], plans[i], began)
        for i, role in enumerate(("collector", "insight"))
    ]
    return {
        "scenario": configuration.scenario,
        "run_number": number,
        "collector": agents[0],
        "insight": agents[1],
        "summary": summary(agents, number, configuration.scenario),
    }


def summary(agents: list[dict[str, Any]], number: int, scenario: str) -> dict[str, Any]:
    times = [each["execution_time_s"] for each in agents]
    calls = [[c["metrics"] for c in each["result"]["llm_calls"]] for each in agents]
    rates = [sum(m["throughput_tokens_per_sec"] for m in mine) / 2 for mine in calls]
    ttfts = [sum(m["ttft_ms"] for m in mine) / 2 for mine in calls]
    wall = max(times) + 0.002
    speedup = sum(times) / wall
    return {
        "scenario": scenario,
        "run_number": number,
        "concurrency_speedup": speedup,
        "efficiency_percent": speedup / 2 * 100,
        "concurrent_wall_time_s": wall,
        "sequential_estimated_s": sum(times),
        "throughput_delta": rates[1] - rates[0],  # insight - collector, as the program had it
        "ttft_delta_ms": ttfts[0] - ttfts[1],
        "collector_throughput": rates[0],
        "insight_throughput": rates[1],
        "collector_ttft_ms": ttfts[0],
        "insight_ttft_ms": ttfts[1],
        "resource_contention_detected": speedup < 1.5,
    }


def scenario_folder(configuration: Configuration) -> str:
    """Both spellings occur: the first homogeneous ones have an underscore."""
    name = configuration.scenario
    if name == "chimera_homo" and int(configuration.config_id[4:]) < 100:
        return name
    return name.replace("_", "-")


def write_run(root: Path, configuration: Configuration, number: int, content: Any) -> Path:
    folder = root / scenario_folder(configuration) / configuration.config_id / f"run_{number}"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "metrics.json"


def write_tree(root: Path, config_ids: list[str] | None = None, runs: int = 5) -> Path:
    """Write the runs of some configurations (default: all 27) with their `summary.json`."""
    began = START
    for configuration in plan().configurations:
        if config_ids is not None and configuration.config_id not in config_ids:
            continue
        summaries = []
        for number in range(1, runs + 1):
            content = run_file(configuration, number, began)
            path = write_run(root, configuration, number, content)
            summaries.append(content["summary"])
            began += timedelta(seconds=content["summary"]["concurrent_wall_time_s"])
        aggregate = {"average_concurrency_speedup": 0.0}
        text = json.dumps({"runs": summaries, "aggregate": aggregate})
        (path.parents[1] / "summary.json").write_text(text, encoding="utf-8")
    return root
