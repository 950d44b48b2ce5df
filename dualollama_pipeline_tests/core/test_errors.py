"""Errors a user meets: what, where, the way out; and nothing longer than a screen line."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dualollama_pipeline.core import errors
from dualollama_pipeline.core.errors import DualOllamaError, InputError
from dualollama_pipeline.core.specs import AgentSpec


def validation_error(**values: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        AgentSpec.model_validate(values)
    return caught.value


def test_the_message_ends_with_the_way_out() -> None:
    """A message without a next step leaves the reader where he was."""
    error = DualOllamaError("it is so", "do that")
    assert str(error) == "it is so\n  way out: do that"
    assert (error.problem, error.way_out) == ("it is so", "do that")


def test_all_findings_are_told_at_once() -> None:
    """One finding a try makes a user with three mistakes try three times."""
    error = InputError.from_validation("m.yaml", validation_error(num_gpu="60", num_ctx=1))
    lines = error.problem.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("m.yaml: num_gpu = '60': ")
    assert lines[1].startswith("m.yaml: num_ctx = 1: ")
    assert "m.yaml" in error.way_out


def test_long_values_are_cut() -> None:
    """A whole damaged file in one message hides the message."""
    error = InputError.from_validation("m.yaml", validation_error(model="x" * 5000))
    shown = error.problem.split(" = ")[1].split(": ")[0]
    assert shown == "'" + "x" * 76 + "..."  # 77 characters and three dots


def test_every_error_of_the_tree_is_for_users() -> None:
    """What the front door does not know as ours, it shows as a traceback."""
    raised = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }
    assert raised == {
        "DualOllamaError",
        "InputError",
        "ServerError",
        "JournalError",
        "ServersChangedError",
        "TableError",
    }
    assert all(issubclass(getattr(errors, name), DualOllamaError) for name in raised)
    assert issubclass(errors.ServersChangedError, errors.JournalError)
