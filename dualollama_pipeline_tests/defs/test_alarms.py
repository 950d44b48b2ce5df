"""What a person hears of: what has moved, a missing night, a failed run.

The trap: an alarm that is raised again with every report, a night that nobody misses, a hook that
nobody ever tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import pytest

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.alarms import alarm_job, alarm_sensor, missing_night, notify
from dualollama_pipeline.defs.batches import BATCH_TAG, SIZE_TAG
from dualollama_pipeline.defs.partitions import STUDY
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline_tests.defs.recorded import run_of
from dualollama_pipeline_tests.statistics.campaign import sound_statistics

S = dg.DagsterRunStatus
SINCE, NOW = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 22, 9, tzinfo=UTC)
NIGHT = "nightly-2026-11-22"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def published_trend(folder: Path, alarm: bool) -> Bench:
    """A warehouse whose latest trend has (or has not) one alarm."""
    rows = sound_statistics()["trend"].assign(alarm=False)
    rows.loc[rows.index[0], "alarm"] = alarm
    TableStore(Warehouse(folder).tables).publish("trend", rows)
    return Bench(Settings(warehouse=folder))


def look(instance: dg.DagsterInstance, bench: Bench, cursor: str | None = None) -> Any:
    return alarm_sensor(
        dg.build_sensor_context(instance=instance, cursor=cursor, resources={"bench": bench})
    )


def test_an_alarm_is_asked_for_once_and_is_a_red_run(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The report is made again and again; the alarm of one batch is one alarm."""
    bench = published_trend(tmp_path, alarm=True)
    assert isinstance(look(instance, bench), dg.SkipReason)  # no trend of this instance
    instance.report_runless_asset_event(dg.AssetMaterialization("trend"))
    first = look(instance, bench)
    (request,) = first.run_requests
    assert isinstance(look(instance, bench, first.cursor), dg.SkipReason)
    instance.report_runless_asset_event(dg.AssetMaterialization("trend"))
    assert look(instance, bench, first.cursor).run_requests[0].run_key == request.run_key

    result = alarm_job.execute_in_process(
        instance=instance, run_config=request.run_config, raise_on_error=False
    )
    failure = next(e for e in result.all_events if e.is_step_failure).step_failure_data
    assert failure.user_failure_data is not None
    assert "tolerated" in str(failure.user_failure_data.description)
    quiet = look(instance, published_trend(tmp_path, alarm=False))
    assert quiet.run_requests == []


def night(instance: dg.DagsterInstance, ends: dict[str, S], n_asked: int = 0) -> None:
    size = {SIZE_TAG: str(n_asked)} if n_asked else {}
    for config_id, end in ends.items():
        run_of(instance, "trials_job", end, config_id, **{BATCH_TAG: NIGHT}, **size)


def said(instance: dg.DagsterInstance, since: datetime | None = SINCE) -> str:
    """What is said of the last night: an alarm's sentence, or why there is none."""
    found = missing_night(instance, NOW, since)
    if isinstance(found, dg.SkipReason):
        return str(found.skip_message)
    (sentence,) = found.run_config["ops"]["raise_alarms"]["config"]["sentences"]
    return str(sentence)


def test_a_missed_night_is_an_alarm(instance: dg.DagsterInstance) -> None:
    """Nothing runs, so nothing fails: only who waits for it can say that it is missing."""
    assert said(instance, None) == "nightly_schedule is off"
    assert "was missed" in said(instance)
    assert "turned on after" in said(instance, datetime(2026, 11, 22, 3, tzinfo=UTC))


def test_an_unfinished_night_is_an_alarm_and_a_failed_configuration_is_none(
    instance: dg.DagsterInstance,
) -> None:
    """METHOD, nights: a configuration that failed is a missing value of that night."""
    *most, last = STUDY.config_ids
    night(instance, dict.fromkeys(most, S.SUCCESS) | {most[0]: S.FAILURE})
    assert f"1 of {len(STUDY.config_ids)} configurations were not tried ({last})" in said(instance)
    night(instance, {last: S.STARTED})
    assert said(instance) == f"{NIGHT} is at work"
    ended, canceled = (dg.DagsterInstance.ephemeral() for _ in range(2))
    night(ended, dict.fromkeys(STUDY.config_ids, S.SUCCESS) | {last: S.FAILURE})
    assert said(ended) == f"{NIGHT} reached its end"
    night(canceled, dict.fromkeys(STUDY.config_ids, S.SUCCESS) | {last: S.CANCELED})
    assert "were not tried" in said(canceled)


def test_a_study_that_has_grown_misses_nothing(instance: dg.DagsterInstance) -> None:
    """A configuration that was added in the morning was not asked for at night."""
    asked = STUDY.config_ids[:-1]
    night(instance, dict.fromkeys(asked, S.SUCCESS), n_asked=len(asked))
    assert said(instance) == f"{NIGHT} reached its end"


MESSAGE: dict[str, str | None] = {"job": "alarm_job", "text": "test001: weighted_speedup moved"}


def test_a_message_is_a_line_of_a_file(tmp_path: Path) -> None:
    """Lines before it stay."""
    file = tmp_path / "alarms.jsonl"
    file.write_text("{}\n")
    notify(str(file), MESSAGE)
    assert [json.loads(line) for line in file.read_text().splitlines()] == [{}, MESSAGE]
    with pytest.raises(DualOllamaError, match="DUALOLLAMA_NOTIFY"):
        notify(str(tmp_path), MESSAGE)


def test_a_message_is_posted_to_a_url() -> None:
    """As JSON; an answer that is no success is told, for the alarm was not heard."""
    heard: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204 if self.path == "/hook" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        notify(f"{url}/hook", MESSAGE)
        with pytest.raises(DualOllamaError, match="500"):
            notify(url, MESSAGE)
        server.shutdown()
    assert heard == [MESSAGE, MESSAGE]
