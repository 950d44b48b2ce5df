"""Names of jobs that are made of a user's words.

The trap: a scenario called `trials`, and a code location that does not load.
"""

from __future__ import annotations

from dualollama_pipeline.defs.jobs import job_names


def test_a_scenarios_job_has_a_name_that_no_other_has() -> None:
    """Dagster refuses two jobs of one name, and takes no hyphen."""
    names = job_names(["trials", "my-group", "my_group", "My-Group", "chimera_homo"])
    assert list(names.values()) == [
        "scenario_trials", "my_group", "my_group_2", "my_group_3", "chimera_homo",
    ]  # fmt: skip
