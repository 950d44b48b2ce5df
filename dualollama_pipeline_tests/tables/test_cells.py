"""Guards that only a whole cell shows, each at its limit, and the count that never loses a trial.

The trap: a cell that is unsound as a whole, whose trials each look well.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.core.records import (
    CallRecord,
    Conditions,
    IdentityRecord,
    RulerRecord,
    ServerIdentity,
    TrialRecord,
)
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.tables.guards import GUARDS
from dualollama_pipeline.worker.journal import Journal
from dualollama_pipeline_tests.tables.journals import (
    SOLO_A,
    SOLO_B,
    block_of,
    call,
    calls_of,
    failed,
    identity,
    journal,
    row,
    stages,
    trial,
    unsent,
)


def pair(**of_a: Any) -> tuple[ServerIdentity, ...]:
    """Both servers; the keywords change what server a shows."""
    return identity("a", **of_a), identity("b")


def cell(made: Journal, arm: str = "apart") -> dict[str, Any]:
    return row(build_tables(made).cell_table, arm=arm)


def seen(
    *moments: tuple[ServerIdentity, ...], conditions: list[Conditions] | None = None
) -> Journal:
    """A sound block whose cell `dual` saw these servers, and the machine in these conditions."""
    made = journal(block_of())
    looked: list[Conditions | None] = [*(conditions or [None] * len(moments))]
    made.identities = [
        IdentityRecord(arm="apart", moment="before", servers=servers, conditions=how)
        for servers, how in zip(moments, looked, strict=True)
    ]
    return made


def guards_of(made: dict[str, Any]) -> list[str]:
    names = [reason.split(": ")[0] for reason in made["validity_reasons"].split("; ") if reason]
    assert set(names) <= set(GUARDS)
    return names


def test_a_sound_cell() -> None:
    """A guard that always finds something is not read any more."""
    made = cell(seen(pair(placement="verified"), pair(placement="verified")))
    assert (made["validity"], made["validity_reasons"]) == ("VALID", "")
    assert (made["n_planned"], made["n_ok"]) == (1, 1)
    assert made["placements"] == "a: 100 % in GPU memory (verified); b: 100 % in GPU memory"
    assert made["contexts"] == "a: 512; b: 512"
    assert (made["n_calls"], made["n_failed_calls"], made["n_cold_calls"]) == (4, 0, 0)
    assert pd.isna(made["drift_share"])  # one trial has no trend


def test_every_planned_trial_is_somewhere() -> None:
    """Planned = ok + failed + interrupted + skipped; a trial that was lost would sharpen a mean."""
    trials = [
        trial("apart", 1),
        trial("apart", 2, [failed(), unsent()]),
        trial("apart", 3, [unsent(status="interrupted")], status="interrupted"),
        trial(SOLO_A, 4),
    ]
    made = cell(journal(trials))
    assert {name: made[f"n_{name}"] for name in ("planned", "ok", "failed")} == {
        "planned": 4,
        "ok": 1,
        "failed": 1,
    }
    assert (made["n_interrupted"], made["n_skipped"]) == (1, 1)


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        ([trial(), trial()], "attempt 1 is recorded twice"),
        ([trial(), trial(trial_id="other")], "other was not planned"),
    ],
)
def test_bookkeeping(trials: list[TrialRecord], text: str) -> None:
    """Two journals glued together count everything twice."""
    made = cell(journal([*trials, trial(SOLO_A), trial(SOLO_B)]))
    assert made["validity"] == "INVALID"
    assert text in made["validity_reasons"]


@pytest.mark.parametrize(
    ("moments", "validity", "guards"),
    [
        ([pair(), pair(version="0.13.0")], "INVALID", ["same_software"]),
        ([pair(), pair(digest="other")], "INVALID", ["same_software"]),
        ([pair(version="0.13.0")], "INVALID", ["same_software"]),  # a is not b
        ([pair(pid=2)], "INVALID", ["distinct_servers", "distinct_servers"]),
        ([pair(pid=None)], "WARN", ["distinct_servers"]),
        ([pair(size_vram_share=0.99)], "VALID", []),
        ([pair(size_vram_share=0.985)], "WARN", ["placement"]),  # a condition
        ([pair(size_vram_share=0.97)], "INVALID", ["placement", "placement"]),  # b has 100 %
        ([pair(), pair(size_vram_share=0.5)], "INVALID", ["placement", "placement"]),
        ([pair(size_vram_share=0.0)], "INVALID", ["placement", "placement"]),  # 80 were asked for
        ([pair(size_vram_share=None)], "WARN", ["placement"]),
        ([pair(placement="claimed")], "WARN", ["placement"]),
        ([pair(placement="contradicted")], "INVALID", ["placement"]),
        ([pair(context_length=2048)], "WARN", ["context"]),  # asked for 512
        ([pair(context_length=460)], "WARN", ["context"]),  # 160 + 300 tokens just fit
    ],
)
def test_servers(
    moments: list[tuple[ServerIdentity, ...]], validity: str, guards: list[str]
) -> None:
    """What a server was like before or after its cell decides about all trials of it."""
    made = cell(seen(*moments))
    assert made["validity"] == validity
    assert guards_of(made) == guards


@pytest.mark.parametrize(
    ("share", "asked", "validity", "text"),
    [
        (0.62, 80, "WARN", "server a: 62 % in GPU memory, in all arms: a condition"),
        (0.0, 80, "INVALID", "server a: 0 % in GPU memory, layers were asked for"),
        (0.0, None, "WARN", "server a: 0 % in GPU memory, nothing said so"),
        (0.0, 0, "VALID", ""),
    ],
)
def test_one_placement_everywhere_is_a_condition(
    share: float, asked: int | None, validity: str, text: str
) -> None:
    """Experts kept on the CPU on purpose were refused; 0 % with 80 layers asked for was VALID."""
    both = tuple(identity(name, size_vram_share=share) for name in "ab")
    made = seen(both)
    assert made.batch is not None
    raw = made.batch.plan.model_dump(mode="json")
    for planned in raw["trials"]:
        for agent in planned["agents"]:
            agent["options"]["num_gpu"] = asked
    plan = type(made.batch.plan).model_validate(raw)
    made.batch = made.batch.model_copy(update={"plan": plan})
    found = cell(made)
    assert found["validity"] == validity
    assert found["validity_reasons"].startswith(text and f"placement: {text}")
    calls = build_tables(made).call_table
    expected = 0 if share == 0 else 35
    assert set(calls["effective_num_gpu"]) == {expected}


def test_two_clocks_of_different_rate_are_said_once() -> None:
    """WSL2 runs 2.6 % slow against Windows: every call was failed. Walls of one clock count."""

    def fast(record: CallRecord, ratio: float) -> CallRecord:
        counters = record.counters
        scaled = {
            name: round(getattr(counters, name) * ratio)
            for name in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")
        }
        return record.model_copy(update={"counters": counters.model_copy(update=scaled)})

    def block(ratio: float, of_report: float | None = None) -> Journal:
        trials = [
            each.model_copy(
                update={
                    "calls": tuple(
                        fast(c, of_report if of_report and c.stage == "report" else ratio)
                        for c in each.calls
                    )
                }
            )
            for each in block_of()
        ]
        return journal(trials)

    tables = build_tables(block(1.026))
    reasons = row(tables.cell_table, arm="apart")["validity_reasons"]
    assert reasons == (
        "clocks: server a: its clock runs 2.6 % faster; "
        "clocks: server b: its clock runs 2.6 % faster"
    )
    assert set(tables.call_table["validity"]) == {"VALID"}
    counted = row(tables.block_table, arm="apart")
    assert counted["counts"]
    assert counted["true_speedup"] == pytest.approx(1.1)
    for other in (block(1.026, 1.08), block(1.2)):  # not constant; no clock at all
        assert "INVALID" in set(build_tables(other).call_table["validity"])


def test_loads_that_end_apart_prove_two_servers() -> None:
    """Without a process table (another machine) the loads' ends tell servers apart."""
    first = identity("a", pid=None, expires_at="2026-01-01T00:00:00.000000001Z")
    second = identity("b", pid=None, expires_at="2026-01-01T00:00:00.000000002Z")
    assert cell(seen((first, second)))["validity"] == "VALID"
    same = second.model_copy(update={"expires_at": first.expires_at})
    assert cell(seen((first, same)))["validity"] == "INVALID"


@pytest.mark.parametrize(
    ("conditions", "validity", "text"),
    [
        ([Conditions(), Conditions()], "VALID", ""),
        ([Conditions(gpu_throttling=("power cap",))], "WARN", "power cap"),
        ([Conditions(on_battery=True)], "WARN", "battery"),
        ([Conditions(governor="powersave")], "WARN", "powersave"),
        ([Conditions(foreign_gpu_pids=(4711,))], "WARN", "4711"),
        ([Conditions(swapped_in_mib=100), Conditions(swapped_in_mib=116)], "VALID", ""),
        ([Conditions(swapped_in_mib=100), Conditions(swapped_in_mib=117)], "INVALID", "17 MiB"),
        ([Conditions(swapped_out_mib=0), Conditions(swapped_out_mib=17)], "INVALID", "17 MiB"),
    ],
)
def test_the_machine(conditions: list[Conditions], validity: str, text: str) -> None:
    """Another user of the GPU is in every time, and in no counter of Ollama's."""
    made = cell(seen(*[pair() for _ in conditions], conditions=conditions))
    assert made["validity"] == validity
    assert text in made["validity_reasons"]


def test_the_client_is_not_the_servers_machine() -> None:
    """A laptop that swaps, throttles or has a weak GPU slows no server in the next room."""
    there = tuple(
        each.model_copy(update={"pid": None, "url": f"https://gpu.example/{each.server}"})
        for each in pair()
    )
    conditions = [
        Conditions(gpu_throttling=("power cap",), swapped_in_mib=0),
        Conditions(on_battery=True, swapped_in_mib=500),
    ]
    made = cell(seen(there, there, conditions=conditions))
    assert made["validity"] == "WARN"
    assert "the client ran on its battery" in made["validity_reasons"]
    assert "the client swapped 500 MiB" in made["validity_reasons"]
    assert "GPU" not in made["validity_reasons"]


def test_the_round_trip_is_the_worst_servers_fastest() -> None:
    """The first look opens the connection: its time would pass for a distance."""
    looks = [(40.0, 9.0), (3.0, 8.0)]
    made = cell(
        seen(
            *[
                tuple(
                    each.model_copy(update={"round_trip_ms": ms})
                    for each, ms in zip(pair(), look, strict=True)
                )
                for look in looks
            ]
        )
    )
    assert made["max_round_trip_ms"] == 8.0


def five(arm: str, totals: list[float]) -> list[TrialRecord]:
    """Trials of an agent alone whose calls take these times, ms."""
    return [trial(arm, n, stages("collector", total)) for n, total in enumerate(totals, start=1)]


@pytest.mark.parametrize(
    ("totals", "share", "validity"),
    [
        # slope 50 ms a call and block over 4 blocks: 2 x 200 of 2 x 5000 ms = 4 %
        ([4_900, 4_950, 5_000, 5_050, 5_100], 0.04, "VALID"),
        ([4_850, 4_925, 5_000, 5_075, 5_150], 0.06, "WARN"),
        ([5_150, 5_075, 5_000, 4_925, 4_850], -0.06, "WARN"),
    ],
)
def test_a_trend_over_the_trials(totals: list[float], share: float, validity: str) -> None:
    """A GPU that heats up makes whatever is measured last look slow."""
    made = cell(journal(five(SOLO_A, totals)), SOLO_A)
    assert made["drift_share"] == pytest.approx(share)
    assert made["validity"] == validity


def test_a_trial_that_failed_is_short_and_not_fast() -> None:
    """Its first call ended well: taken as its wall time, the cell would seem to speed up."""
    sound = five(SOLO_A, [5_000] * 5)
    broken = [call("collector", "analysis", 0, 5_000), failed(stage="report")]
    later = [trial(SOLO_A, n, broken) for n in (6, 7, 8)]
    assert cell(journal([*sound, *later]), SOLO_A)["drift_share"] == 0
    few = cell(journal([*sound[:4], *later]), SOLO_A)
    assert pd.isna(few["drift_share"])  # four walls show no trend


def test_frequent_failures() -> None:
    """1 of 20 calls is 5 %: the limit; 2 of 20 are above; more than half leave nothing to trust."""

    def of(*broken: int) -> str:
        trials = [
            trial(
                "apart", n, [failed(), unsent(), *stages("insight", 9_000)] if n in broken else None
            )
            for n in range(1, 6)
        ]
        return str(cell(journal(trials))["validity"])

    assert of(1) == "VALID"
    assert of(1, 2) == "WARN"
    lost = [trial(SOLO_A, n, [failed()]) for n in (1, 2)]
    half = [*lost, trial(SOLO_A, 3, [call()]), trial(SOLO_A, 4, [call()])]
    assert cell(journal(half), SOLO_A)["validity"] == "WARN"
    assert cell(journal([*lost, trial(SOLO_A, 3, [call()])]), SOLO_A)["validity"] == "INVALID"


def test_prompts_of_one_size() -> None:
    """168 and 160 tokens are within +-4 of 164; 169 are not."""

    def sizes(other: int) -> str:
        counters = call().counters.model_copy(update={"prompt_eval_count": other})
        changed = call().model_copy(update={"counters": counters})
        return str(
            cell(
                journal([trial(SOLO_A, 1, [call()]), trial(SOLO_A, 2, [changed])]),
                SOLO_A,
            )["validity"]
        )

    assert sizes(168) == "VALID"
    assert sizes(169) == "WARN"


@pytest.mark.parametrize(
    ("changes", "guards"),
    [
        ({"loop_lag_p99_ms": 10.0}, []),
        ({"loop_lag_p99_ms": 10.1}, ["resolution"]),
        ({"wall_clock_drift_ms": -100.0}, []),
        ({"wall_clock_drift_ms": -100.1}, ["monotonic"]),
    ],
)
def test_the_ruler(changes: dict[str, float], guards: list[str]) -> None:
    """A stamp is as late as the loop that takes it."""
    made = cell(journal([trial("apart", **changes), trial(SOLO_A), trial(SOLO_B)]))
    assert guards_of(made) == guards


def test_a_short_ttft_needs_a_quick_loop() -> None:
    """TTFT 250 ms against a lag of 25 ms is the limit; every TTFT counts, not the mean."""
    calls = calls_of("apart")
    quick = call(ttft=90, load=50, prompt=10, evaluated=4_910)
    made = cell(journal([trial("apart", calls=[quick, *calls[1:]], loop_lag_p99_ms=9.1)]))
    assert guards_of(made) == ["resolution"]


def test_lumped_reads_are_told() -> None:
    """Records that share a read share an instant: their gaps are zero, and the next is long."""
    lumped = [record.model_copy(update={"max_lines_per_read": 9}) for record in calls_of("apart")]
    assert guards_of(cell(journal([trial("apart", calls=lumped)]))) == ["resolution"]


def test_a_baseline_is_alone() -> None:
    """Two workers on one pair: each baseline has company, and no other figure shows it."""
    first = trial(SOLO_A, started_at="2026-01-01T00:00:00.000+00:00")  # takes 10 s
    late = trial(SOLO_B, started_at="2026-01-01T00:00:09.900+00:00")
    early = trial(SOLO_B, started_at="2026-01-01T00:00:09.899+00:00")
    assert cell(journal([first, late]), SOLO_A)["validity"] == "VALID"
    assert guards_of(cell(journal([first, early]), SOLO_A)) == ["baseline_alone"]
    simulated = journal([first, early], simulated_by="simulator 1")
    assert cell(simulated, SOLO_A)["validity"] == "VALID"  # virtual time needs no wall clock


def test_what_speaks_against_a_cell_reaches_its_trials_and_blocks_only() -> None:
    """An INVALID cell whose trials pass would be in every statistic."""
    made = seen(pair(pid=2))
    tables = build_tables(made)
    assert row(tables.run_table, arm="apart")["validity"] == "INVALID"
    assert row(tables.run_table, arm=SOLO_A)["validity"] == "VALID"
    block = row(tables.block_table, arm="apart")
    assert not block["counts"]
    assert row(tables.block_table, arm="shared")["counts"]
    assert "distinct_servers" in block["exclusion_reason"]


@pytest.mark.parametrize(("error_ms", "guards"), [(1.0, []), (1.1, ["resolution"])])
def test_the_error_of_our_own_stamps(error_ms: float, guards: list[str]) -> None:
    """A TTFT of 40 ms on a machine that adds 5 ms of its own is no TTFT of 40 ms."""
    made = journal(block_of())
    made.ruler = RulerRecord(
        n=40,
        ttft_error_median_ms=error_ms,
        ttft_error_max_ms=5.0,
        gap_error_p95_ms=0.2,
        rate_error_pct=0.1,
    )
    found = cell(made)
    assert guards_of(found) == guards
    assert found["ruler_ttft_error_median_ms"] == error_ms
