"""One static partition for each configuration of the matrix."""

import dagster as dg

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.settings import Settings

MATRIX = load_matrix(Settings.from_environment().data / "matrix.yaml")
configurations = dg.StaticPartitionsDefinition(MATRIX.config_ids)
