"""What the environment decides before anything runs: the partitions, and when nights begin."""

import os

import dagster as dg

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import study_of

# Only these variables: a wrong one elsewhere is told where it is used, or overridden by an option.
SHAPING = ("DUALOLLAMA_DATA", "DUALOLLAMA_STUDY", "DUALOLLAMA_NIGHTLY")
SHAPED = Settings.from_environment(
    {name: value for name, value in os.environ.items() if name in SHAPING}
)
STUDY = study_of(SHAPED)
configurations = dg.StaticPartitionsDefinition(STUDY.config_ids)
