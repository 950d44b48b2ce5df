"""From the tables to the Summary without its sections: estimates, validity, provenance, answer.

Only gathering lives here: numbers are taken over from the statistics, never computed anew; shapes
are model.py's, words are headline.py's and wording.py's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from dualollama_pipeline.core.study import SHARED, TOGETHER
from dualollama_pipeline.metrics.catalog import METRICS
from dualollama_pipeline.report.advice import advise
from dualollama_pipeline.report.configuration import estimate_fields, estimate_of
from dualollama_pipeline.report.evidence import Evidence, gather_evidence
from dualollama_pipeline.report.first import (
    at_best,
    driven_by_length,
    how_much_counts,
    in_seconds,
    since_last_night,
    strip,
)
from dualollama_pipeline.report.headline import answer, how_often_stopped, judged
from dualollama_pipeline.report.model import (
    BlockNote,
    ConfigurationSummary,
    GlossaryEntry,
    PooledEstimate,
    ReportOrigin,
    ScenarioSummary,
    Summary,
    ValidityCounts,
)
from dualollama_pipeline.report.nothing import nothing_compared
from dualollama_pipeline.report.plots.timeline import timeline, timeline_in_words
from dualollama_pipeline.report.provenance import describe_agents, describe_provenance
from dualollama_pipeline.report.wording import PAIR, Words, one_line, shorten
from dualollama_pipeline.statistics.samples import BLOCK, reloading_configurations
from dualollama_pipeline.tables.rows import Row, grouped, plain_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.report.sections.chapter import Builder

__all__ = ["Summary", "summarize"]

OF_THE_MEDIAN = " The block whose true speedup is the median one."


def summarize(inputs: ReportInputs) -> Summary:
    """Gather the facts that all sections share; the sections themselves are compose.py's."""
    origins = _origins(inputs)
    origin = _one_origin(origins)
    pooled = plain_rows(inputs.population_statistics)
    population = tuple(PooledEstimate(**_pooled(row)) for row in pooled)
    configurations = _configurations(inputs)
    reloading = reloading_configurations(inputs.blocks)
    nothing = nothing_compared(inputs)
    words = Words(int(inputs.runs["n_agents"].max()) if len(inputs.runs) else PAIR.n_agents)
    verdicts = judged(inputs.table("contrasts"), population)
    headline = nothing.headline if nothing else ""
    said = answer(population, verdicts, origin, len(reloading), headline, words)
    advice = nothing.reasons if nothing else advise(inputs, verdicts, origin, reloading, words)
    if said.verdict != "undetermined":
        advice = (*advice, *at_best(inputs.blocks, population))
    title = f"{words.so_many('agent').capitalize()}, {words.so_many('Ollama server')}"
    source = describe_provenance(inputs.calls, inputs.runs)
    seconds = "" if nothing else in_seconds(inputs.blocks, population)
    return Summary(
        title=f"SIMULATED: {title}" if origin == "simulated" else title,
        n_agents=words.n_agents,
        origin=origin,
        origins=origins,
        verdict=said.verdict,
        headline=said.headline,
        strip=tuple(map(one_line, strip(inputs, source))),
        seconds=seconds,
        since=one_line(since_last_night(inputs)),
        counted=(
            *how_much_counts(inputs),
            *driven_by_length(said.verdict, seconds, inputs.blocks),
        ),
        explanation=(*said.explanation, *how_often_stopped(inputs.calls, inputs.blocks)),
        advice=tuple(map(one_line, advice)),
        population=population,
        scenarios=_scenarios(inputs, configurations),
        configurations=configurations,
        validity=_count_validity(plain_rows(inputs.blocks)),
        missing={one_line(name): one_line(why) for name, why in inputs.missing.items()},
        equal_groups=tuple(tuple(map(one_line, group)) for group in inputs.equal_groups),
        provenance=source,
        glossary=_glossary(words),
        sections=(),
    )


def _origins(inputs: ReportInputs) -> tuple[str, ...]:
    """Return the origins of all rows of all tables: one simulated row is enough to say so."""
    tables = (
        inputs.config_statistics,
        inputs.scenario_statistics,
        inputs.population_statistics,
        inputs.blocks,
        inputs.runs,
        inputs.calls,
    )
    return tuple(sorted({str(origin) for table in tables for origin in table["origin"].unique()}))


def _one_origin(origins: tuple[str, ...]) -> ReportOrigin:
    if "simulated" in origins:
        return "simulated"
    return cast("ReportOrigin", origins[0]) if len(origins) == 1 else "mixed" if origins else "none"


def _pooled(row: Row) -> dict[str, Any]:
    return {**estimate_fields(row), "n_configurations": int(row["n_configurations"])}


def _configurations(inputs: ReportInputs) -> tuple[ConfigurationSummary, ...]:
    """Summarize every configuration of the statistics, by scenario and id."""
    blocks = grouped(plain_rows(inputs.blocks), "config_id")
    calls = grouped(plain_rows(inputs.calls), "config_id")
    groups = grouped(plain_rows(inputs.config_statistics), "scenario", "config_id")
    return tuple(
        ConfigurationSummary(
            config_id=one_line(config_id),
            scenario=one_line(scenario),
            equal_to=_equal_to(config_id, inputs.equal_groups),
            agents=describe_agents(calls.get((config_id,), [])),
            validity=_count_validity(blocks.get((config_id,), [])),
            n_reloads=sum(
                int(block["n_reloads"])  # those seen: nan where the trial failed
                for block in blocks.get((config_id,), [])
                if block["arm"] == SHARED and not math.isnan(block["n_reloads"])
            ),
            notes=_notes(blocks.get((config_id,), [])),
            estimates=tuple(map(estimate_of, rows)),
        )
        for (scenario, config_id), rows in sorted(groups.items())
    )


def _scenarios(
    inputs: ReportInputs, configurations: Sequence[ConfigurationSummary]
) -> tuple[ScenarioSummary, ...]:
    blocks = grouped(plain_rows(inputs.blocks), "scenario")
    groups = grouped(plain_rows(inputs.scenario_statistics), "scenario")
    return tuple(
        ScenarioSummary(
            scenario=one_line(scenario),
            config_ids=tuple(
                each.config_id for each in configurations if each.scenario == one_line(scenario)
            ),
            validity=_count_validity(blocks.get((scenario,), [])),
            estimates=tuple(PooledEstimate(**_pooled(row)) for row in rows),
        )
        for (scenario,), rows in sorted(groups.items())
    )


def _equal_to(config_id: str, equal_groups: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    group = next((group for group in equal_groups if config_id in group), ())
    return tuple(one_line(other) for other in group if other != config_id)


def _count_validity(rows: Sequence[Row]) -> ValidityCounts:
    """Count blocks, each of which has a row for each arm of several agents."""
    arms = grouped(rows, "arm")
    judged = [arms_of[0]["validity"] for arms_of in grouped(rows, *BLOCK).values()]
    return ValidityCounts(
        n_blocks=len(judged),
        n_valid=judged.count("VALID"),
        n_warn=judged.count("WARN"),
        n_invalid=judged.count("INVALID"),
        n_left_out={
            arm: sum(not row["counts"] for row in arms.get((arm,), [])) for arm in TOGETHER
        },
    )


def _notes(rows: Sequence[Row]) -> tuple[BlockNote, ...]:
    """Keep a word on each block that was left out of an arm, or counts with a warning."""
    notes = []
    for arms in grouped(rows, *BLOCK).values():
        block = arms[0]
        left_out = "; ".join(dict.fromkeys(filter(None, (row["exclusion_reason"] for row in arms))))
        if block["validity"] != "VALID" or left_out:
            reason = left_out or block["validity_reasons"] or "no reason was recorded"
            notes.append(
                BlockNote(
                    batch_id=one_line(block["batch_id"]),
                    block=int(block["block"]),
                    validity=block["validity"],
                    left_out_of=tuple(row["arm"] for row in arms if not row["counts"]),
                    reason=shorten(reason),
                )
            )
    return tuple(notes)


def _glossary(words: Words) -> tuple[GlossaryEntry, ...]:
    return tuple(
        GlossaryEntry(
            name=metric.name,
            label=metric.label,
            unit=metric.unit,
            formula=metric.formula,
            meaning=metric.meaning,
        )
        for metric in map(words.metric, METRICS)
    )


class Report(NamedTuple):
    """What page, Markdown and summary.json are made from; `drawings` holds an `<svg>` by name.

    `evidence` is each configuration's: shown beside the page, and too much for summary.json.
    """

    summary: Summary
    drawings: dict[str, str]
    evidence: tuple[Evidence, ...] = ()


FOR_A_PAIR = {"appendix-a"}  # the columns of a document about two agents
FOR_ONE = {"delays", "validity", "ruler", "appendix-c", "appendix-d"}


def _is_for(section_id: str, n_agents: int) -> bool:
    """Say whether a section has something to say of so many agents."""
    if n_agents == 1:
        return section_id in FOR_ONE
    return Words(n_agents).is_pair or section_id not in FOR_A_PAIR


def compose(inputs: ReportInputs, builders: Sequence[Builder]) -> Report:
    """Gather everything that the report shows, one section for each of `builders`."""
    summary = summarize(inputs)
    made = (build(inputs, summary) for build in builders)
    chapters = [each for each in made if _is_for(each.section.id, summary.n_agents)]
    drawings = {name: svg for chapter in chapters for name, svg in chapter.drawings.items()}
    sections = tuple(chapter.section for chapter in chapters)
    picture = None
    if inputs.pair is not None:
        title = f"One block in time: {inputs.pair.choice.config_id}"
        picture = timeline_in_words("lanes", title, inputs.pair.lanes, OF_THE_MEDIAN)
        drawings["lanes"] = timeline(inputs.pair.lanes, picture)
    whole = summary.model_copy(update={"sections": sections, "picture": picture})
    return Report(whole, drawings, gather_evidence(inputs, summary))
