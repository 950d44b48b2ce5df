"""Group `study`: what a person writes; a change makes stale what was made from it."""

import hashlib
from pathlib import Path

import dagster as dg

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import load_study
from dualollama_pipeline.core.workload import corpus_files, corpus_fingerprint
from dualollama_pipeline.defs.observed import observed
from dualollama_pipeline.defs.resources import Bench


@observed(
    group="study",
    kind="yaml",
    description="The study: servers, agents, and configurations, each one a partition.",
)
def study(bench: dg.ResourceParam[Bench]) -> dg.ObserveResult:
    """Fingerprint the study, and name the configurations that ask for the same thing."""
    return seen_study(bench.settings)


def seen_study(settings: Settings) -> dg.ObserveResult:
    """Return what is known of the study."""
    path = settings.study_file
    matrix = load_study(path)
    return _seen(
        path,
        configurations=len(matrix.config_ids),
        equal=", ".join("/".join(group) for group in matrix.equal_groups()) or "none",
    )


@observed(
    group="study",
    kind="file",
    description="data/corpus: the files that the prompts are made from.",
)
def benchmark_corpus(bench: dg.ResourceParam[Bench]) -> dg.ObserveResult:
    """Fingerprint the corpus."""
    return seen_corpus(bench.settings)


def seen_corpus(settings: Settings) -> dg.ObserveResult:
    """Return what is known of the corpus."""
    path = settings.data / "corpus"
    return dg.ObserveResult(
        data_version=dg.DataVersion(corpus_fingerprint(path)[:16]),
        metadata={
            "files": ", ".join(file.name for file in corpus_files(path)),
            "path": dg.MetadataValue.path(path),
        },
    )


@observed(
    group="study",
    kind="yaml",
    description="data/cost.yaml: demand, prices and machines, each with its source.",
)
def cost_inputs(bench: dg.ResourceParam[Bench]) -> dg.ObserveResult:
    """Fingerprint what the costs are computed from; a mistake in it is an error here already."""
    from dualollama_pipeline.tr114.costs.cost_inputs import load_cost_inputs  # noqa: PLC0415

    path = bench.settings.data / "cost.yaml"
    load_cost_inputs(path)
    return _seen(path)


@observed(
    group="study",
    kind="yaml",
    description="data/slo.yaml: targets, SLAs, rollback triggers and phase gates.",
)
def service_levels(bench: dg.ResourceParam[Bench]) -> dg.ObserveResult:
    """Fingerprint what the nights are held against; a mistake in it is an error here already."""
    from dualollama_pipeline.tr114.service_levels.slo_inputs import load_slo_inputs  # noqa: PLC0415

    path = bench.settings.data / "slo.yaml"
    load_slo_inputs(path)
    return _seen(path)


def _seen(path: Path, **metadata: str | int) -> dg.ObserveResult:
    """Return the file's fingerprint as its version; its path stands beside the metadata."""
    return dg.ObserveResult(
        data_version=dg.DataVersion(hashlib.sha256(path.read_bytes()).hexdigest()[:16]),
        metadata={**metadata, "path": dg.MetadataValue.path(path)},
    )


written = [study, benchmark_corpus, cost_inputs, service_levels]
