"""Ctrl-C at every event of Dagster's ends everything.

The trap: while Dagster plans a run it turns the signal into a run that failed without a failed
step, or forgets it, and the next configuration begins, whose servers have died of the same Ctrl-C.
"""

from __future__ import annotations

from pathlib import Path

from dualollama_pipeline_tests.kills.harness import run

FEWEST_EVENTS = 15


def test_ctrl_c_at_every_event_ends_everything(tmp_path: Path) -> None:
    """No further configuration is begun, no run stays unfinished, no process is left."""
    ended = run(tmp_path, "dualollama_pipeline_tests.kills.interrupted", str(tmp_path / "home"))
    assert ended.code == 0, ended.said
    *lives, past_the_end, with_its_own_servers = ended.events
    assert len(lives) > FEWEST_EVENTS
    assert past_the_end["event"] is None  # so there was no event more to interrupt
    for life in [*lives, with_its_own_servers]:
        assert life["event"] is not None
        assert life["ended"] == "KeyboardInterrupt", life  # which cli.main makes exit code 130
        assert life["begun"] == ["test013"], life
        assert life["unfinished"] == [], life
        assert life["left"] == [], life
