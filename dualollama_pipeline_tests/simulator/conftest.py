"""A profile with round numbers, so that every expected instant can be worked out by hand.

Solo token 10 ms (25 ms when two streams share), overhead 0.5 ms, warm load 200 ms (260 ms for a
following call), prompt 40 ms + 0.1 ms a token at 5 characters a token, eps 3 ms (15 ms).
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualollama_pipeline.simulator.profile import Profile


@pytest.fixture
def standard() -> Profile:
    return Profile.load("standard")


@pytest.fixture
def round_profile(standard: Profile) -> Profile:
    fields = standard.noise_free().model_dump()
    fields["gpu"].update(solo_tok_per_s=100.0, pair_share=0.4, aggregate_share=0.75)
    fields["loading"].update(
        warm_first_ms={"ln_mu": math.log(200), "ln_sigma": 0.0},
        warm_following_ms={"ln_mu": math.log(260), "ln_sigma": 0.0},
        reload_one_ms={"mean": 4000.0, "sd": 0.0},
        reload_both_ms={"mean": 6000.0, "sd": 0.0},
    )
    fields["prefill"].update(fixed_ms=40.0, per_token_ms=0.1, characters_per_token=5.0)
    fields["decode"]["overhead_ms_per_token"] = {"mean": 0.5, "sd": 0.0}
    return Profile.model_validate(fields)


@pytest.fixture(scope="session")
def quick_profile_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The standard profile with reloads of 30 ms, for calls that are paced in real time."""
    fields = Profile.load("standard").model_dump()
    fields["loading"]["reload_floor_ms"] = 10.0
    for name in ("reload_one_ms", "reload_both_ms"):
        fields["loading"][name] = {"mean": 30.0, "sd": 3.0}
    path = tmp_path_factory.mktemp("profile") / "quick.json"
    path.write_text(json.dumps(fields))
    return path


@pytest.fixture(scope="session")
def pair(quick_profile_path: Path) -> Iterator[dict[str, str]]:
    """The real process: its ready line."""
    command = [sys.executable, "-m", "dualollama_pipeline.simulator", "--stdin-guard"]
    command += ["--profile", str(quick_profile_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdin
        yield json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(timeout=5) == 0
