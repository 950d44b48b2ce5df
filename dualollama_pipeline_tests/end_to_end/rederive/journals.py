"""The journals of a warehouse as plain JSON: batches, their trials and what the servers showed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Call = dict[str, Any]
NS_PER_S = 1e9
NS_PER_MS = 1e6


@dataclass
class Trial:
    """One trial by its last attempt; `attempts` are all, the last at the end."""

    trial_id: str
    block: int
    arm: str
    attempts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def last(self) -> dict[str, Any]:
        return self.attempts[-1]

    @property
    def is_ok(self) -> bool:
        return bool(self.last["status"] == "ok")

    @property
    def calls(self) -> list[Call]:
        """The calls of the last attempt."""
        return list(self.last["calls"])


@dataclass
class Batch:
    """One configuration in one night."""

    path: Path
    plan: dict[str, Any]
    started_at: str
    trials: list[Trial]
    identities: list[dict[str, Any]]

    @property
    def config_id(self) -> str:
        return str(self.plan["config_id"])

    @property
    def scenario(self) -> str:
        return str(self.plan["scenario"])

    @property
    def batch_id(self) -> str:
        return str(self.plan["batch_id"])

    @property
    def blocks(self) -> dict[int, dict[str, Trial]]:
        """The trials by block and arm, blocks in order."""
        made: dict[int, dict[str, Trial]] = {}
        for trial in sorted(self.trials, key=lambda each: each.block):
            made.setdefault(trial.block, {})[trial.arm] = trial
        return made

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(trial["arm"] for trial in self.plan["trials"]))

    def of_arms(self, *arms: str) -> list[Trial]:
        return [trial for trial in self.trials if trial.arm in arms]

    def every_call(self, *arms: str) -> list[Call]:
        """All calls of all attempts."""
        return [
            call
            for trial in self.of_arms(*arms)
            for attempt in trial.attempts
            for call in attempt["calls"]
        ]

    def servers(self) -> dict[str, dict[str, Any]]:
        """What each server last showed while it held its own agent's options."""
        return {
            server["server"]: server
            for record in self.identities
            if record["arm"] != "shared"
            for server in record["servers"]
            if server["loaded"]
        }


def read_batch(path: Path) -> Batch:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    trials: dict[str, Trial] = {}
    for record in (each for each in records if each["record"] == "trial"):
        mine = Trial(record["trial_id"], record["block"], record["arm"])
        trials.setdefault(record["trial_id"], mine).attempts.append(record)
    identities = [each for each in records if each["record"] == "identity"]
    first = records[0]
    return Batch(path, first["plan"], first["started_at"], list(trials.values()), identities)


def read_nights(home: Path) -> list[list[Batch]]:
    """Return every night, the earliest first: its batches in the order of their names."""
    nights: dict[str, list[Batch]] = {}
    for path in sorted((home / "warehouse" / "journals").glob("*/*.jsonl")):
        batch = read_batch(path)
        nights.setdefault(batch.batch_id, []).append(batch)
    return sorted(nights.values(), key=lambda night: min(batch.started_at for batch in night))


def of(role: str, calls: Iterable[Call]) -> list[Call]:
    return [call for call in calls if call["agent"] == role]


def wall_s(calls: Sequence[Call]) -> float:
    """First sent to last end."""
    first, last = min(call["sent_ns"] for call in calls), max(call["end_ns"] for call in calls)
    return float((last - first) / NS_PER_S)


def tokens(calls: Sequence[Call]) -> int:
    return int(sum(call["counters"]["eval_count"] for call in calls))


def ttft_ms(call: Call) -> float:
    return float((call["first_token_ns"] - call["sent_ns"]) / NS_PER_MS)


def rate(call: Call) -> float:
    """Decoded tokens per second by the server's own counters."""
    return float(call["counters"]["eval_count"] / call["counters"]["eval_duration"] * NS_PER_S)


def load_ms(call: Call) -> float | None:
    load = call["counters"]["load_duration"]
    return None if load is None else load / NS_PER_MS
