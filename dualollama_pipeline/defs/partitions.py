"""One static partition for each configuration of the study."""

import os

import dagster as dg

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import study_of

# Only these variables: a wrong one elsewhere is told where it is used, or overridden by an option.
SHAPING = ("DUALOLLAMA_DATA", "DUALOLLAMA_STUDY")
DATA = {name: value for name, value in os.environ.items() if name in SHAPING}
MATRIX = study_of(Settings.from_environment(DATA))
configurations = dg.StaticPartitionsDefinition(MATRIX.config_ids)
