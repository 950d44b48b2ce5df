"""The code location that workspace.yaml names: the graph on the bench of the environment."""

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.defs.assembly import build_definitions
from dualollama_pipeline.defs.resources import BenchOfRun

Settings.from_environment()  # a mistake in a variable is told here, not by each run
defs = build_definitions(BenchOfRun())
