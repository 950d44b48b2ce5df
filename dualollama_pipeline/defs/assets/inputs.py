"""Group `inputs`: what a person writes and the trials read; a change makes partitions stale."""

import hashlib

import dagster as dg

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.workload import corpus_files, corpus_fingerprint
from dualollama_pipeline.defs.observed import observed
from dualollama_pipeline.defs.resources import Bench


@observed(
    group="inputs",
    kind="yaml",
    description="data/matrix.yaml: the configurations, each one a partition.",
)
def config_matrix(bench: dg.ResourceParam[Bench]) -> dg.ObserveResult:
    """Fingerprint the matrix, and name the configurations that ask for the same thing."""
    path = bench.settings.data / "matrix.yaml"
    matrix = load_matrix(path)
    return dg.ObserveResult(
        data_version=dg.DataVersion(hashlib.sha256(path.read_bytes()).hexdigest()[:16]),
        metadata={
            "configurations": len(matrix.config_ids),
            "equal": ", ".join("/".join(group) for group in matrix.equal_groups()) or "none",
            "path": dg.MetadataValue.path(path),
        },
    )


@observed(
    group="inputs",
    kind="file",
    description="data/corpus: the files that the prompts are made from.",
)
def benchmark_corpus(bench: dg.ResourceParam[Bench]) -> dg.ObserveResult:
    """Fingerprint the corpus."""
    path = bench.settings.data / "corpus"
    return dg.ObserveResult(
        data_version=dg.DataVersion(corpus_fingerprint(path)[:16]),
        metadata={
            "files": ", ".join(file.name for file in corpus_files(path)),
            "path": dg.MetadataValue.path(path),
        },
    )
