"""More nights than one, as journals: the first night's, stretched a little and with known mishaps.

Two simulated nights of one plan are equal to the last bit, so nothing would move from night to
night, and hardly anything goes wrong in them. Each trial of a further night is the first night's,
all its times multiplied by one factor (server and client stamps alike, so it stays consistent).
The last night has what estimates must leave out or flag: a slow agent, a late first token, an
answer cut short, a failed trial, and a trial that failed and was tried again.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Record = dict[str, Any]
STAMPS = ("sent_ns", "first_token_ns", "first_answer_ns", "end_ns")
DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
LATER_EACH_NIGHT = {"solo_collector": 0.0, "solo_insight": 0.0, "apart": 0.009, "shared": -0.006}
NOISE = 0.004
LATE_NS = 3_600_000_000
N_FURTHER = 5
LEFT_OUT = ("test108", 2)  # a configuration that was not measured in one of the nights


def write_further_nights(home: Path) -> None:
    """Write the journals of each further night, the last one at the end."""
    first = sorted((home / "warehouse" / "journals").glob("*/*.jsonl"))
    for night in range(1, N_FURTHER + 1):
        for path in first:
            if (path.parent.name, night) != LEFT_OUT:
                write_night(path, night, is_last=night == N_FURTHER)


def write_night(path: Path, night: int, *, is_last: bool) -> None:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    config_id = path.parent.name
    plan = records[0]["plan"]
    plan["batch_id"] = f"night-{night}"
    plan["plan_id"] = f"{config_id}.night-{night}"
    made: list[Record] = []
    for record in records:
        if "started_at" in record:
            begun = datetime.fromisoformat(record["started_at"]) + timedelta(days=night)
            record["started_at"] = begun.isoformat(timespec="milliseconds")
        if record["record"] == "trial":
            chance = random.Random(f"{night} {record['trial_id']}")
            stretch_trial(record, night, chance)
            mishap = MISHAPS.get((config_id, record["block"], record["arm"])) if is_last else None
            made += mishap(record) if mishap else [record]
        else:
            made.append(record)
    last = {record["trial_id"]: record for record in made if record["record"] == "trial"}
    ended = [record["status"] for record in last.values()]
    made[-1] |= {status: ended.count(status) for status in ("ok", "failed")}
    lines = (json.dumps(record, separators=(",", ":")) for record in made)
    path.with_name(f"night-{night}.jsonl").write_text("\n".join(lines) + "\n")


def stretch_trial(record: Record, night: int, chance: random.Random) -> None:
    """Draw a factor; with two servers another for each agent, so that balance moves, too."""
    factor = 1 + LATER_EACH_NIGHT[record["arm"]] * night + NOISE * chance.gauss(0, 1)
    if record["arm"] != "apart":
        stretch(record["calls"], factor)
        return
    for role in ("collector", "insight"):
        stretch(of(role, record), factor + NOISE * chance.gauss(0, 1))


def stretch(calls: Sequence[Record], factor: float) -> None:
    """Multiply all times of some calls."""
    for call in calls:
        for name in STAMPS:
            call[name] = round(call[name] * factor)
        call["chunk_ns"] = [round(instant * factor) for instant in call["chunk_ns"]]
        for name in DURATIONS:
            call["counters"][name] = round(call["counters"][name] * factor)


def of(role: str, record: Record) -> list[Record]:
    return [call for call in record["calls"] if call["agent"] == role]


def slow_agent(record: Record) -> list[Record]:
    """The insight agent takes 2.4 times as long: contention by balance and by slowdown."""
    stretch(of("insight", record), 2.4)
    return [record]


def one_late(record: Record) -> list[Record]:
    """One agent's model loads for 3.6 s: the agents hardly overlap, so the trial is INVALID."""
    load_late(of("insight", record))
    return [record]


def both_late(record: Record) -> list[Record]:
    """Both models load for 3.6 s: contention by TTFT, and two cold loads in the cell."""
    load_late(of("collector", record))
    load_late(of("insight", record))
    return [record]


def load_late(calls: Sequence[Record]) -> None:
    analysis, report = calls
    for call, names in ((analysis, STAMPS[1:]), (report, STAMPS)):
        for name in names:
            call[name] += LATE_NS
        call["chunk_ns"] = [instant + LATE_NS for instant in call["chunk_ns"]]
    for name in ("total_duration", "load_duration"):
        analysis["counters"][name] += LATE_NS


def short_answer(record: Record) -> list[Record]:
    """The insight agent's report ends after 200 tokens: unequal work, 17 % less than alone."""
    report = of("insight", record)[1]
    left_out = (report["end_ns"] - report["first_token_ns"]) // 3
    report["end_ns"] -= left_out
    report["chunk_ns"] = [at for at in report["chunk_ns"] if at <= report["end_ns"]]
    counters = report["counters"]
    counters |= {"eval_count": 200, "done_reason": "stop"}
    counters["eval_duration"] -= left_out
    counters["total_duration"] -= left_out
    return [record]


def failed(record: Record) -> list[Record]:
    """The insight agent's report breaks off: no final record, so a failed call and trial."""
    report = of("insight", record)[1]
    report |= {
        "status": "failed",
        "failure": {
            "kind": "truncated",
            "text": "the stream ended without a final record",
            "url": "http://127.0.0.1:11435",
            "model": report["model"],
            "phase": "streaming",
        },
        "counters": dict.fromkeys(report["counters"]),
    }
    record["status"] = "failed"
    return [record]


def failed_once(record: Record) -> list[Record]:
    """The same, but the trial is tried again and succeeds."""
    again = copy.deepcopy(record) | {"attempt": 2}
    return [*failed(record), again]


MISHAPS: dict[tuple[str, int, str], Callable[[Record], list[Record]]] = {
    ("test013", 2, "apart"): slow_agent,
    ("test106", 3, "apart"): one_late,
    ("test202", 4, "apart"): both_late,
    ("test108", 4, "apart"): short_answer,
    ("test003", 1, "apart"): failed,
    ("test001", 5, "solo_insight"): failed_once,
}
