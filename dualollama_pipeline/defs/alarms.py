"""What a person should hear of: a metric that has moved, a night that is missing, a failed run.

An alarm is a run of `alarm_job` that fails: it is red in the UI, and reaches whoever is told of
failed runs.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import dagster as dg

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.batches import BATCH_TAG, PARTITION_TAG, SIZE_TAG, UNFINISHED
from dualollama_pipeline.defs.partitions import STUDY
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.defs.runs import first_error
from dualollama_pipeline.defs.schedules import last_night, night_of, nightly_schedule

MOST_LINES, MOST_NAMED = 20, 3
S = dg.DagsterRunStatus


class Alarms(dg.Config):
    """What is to be said, a sentence each."""

    sentences: list[str]


@dg.op(out=dg.Out(dg.Nothing), description="Fails with these sentences.")
def raise_alarms(config: Alarms) -> None:
    """Fail."""
    raise dg.Failure(description="\n".join(config.sentences), allow_retries=False)


@dg.job(description="Fails with what alarm_sensor and night_sensor have found.")
def alarm_job() -> None:
    """Raise alarms."""
    raise_alarms()


def _request(key: str, sentences: list[str]) -> dg.RunRequest:
    more = len(sentences) - MOST_LINES
    told = [*sentences[:MOST_LINES], f"and {more} more: see the report"] if more > 0 else sentences
    config = dg.RunConfig(ops={"raise_alarms": Alarms(sentences=told)})
    return dg.RunRequest(run_key=key, run_config=config)


@dg.sensor(
    job_name="alarm_job",  # by name: given as a job, Dagster warns of itself
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Raises an alarm when a batch has moved away from its configuration's history.",
)
def alarm_sensor(
    context: dg.SensorEvaluationContext, bench: dg.ResourceParam[Bench]
) -> dg.SensorResult | dg.SkipReason:
    """Look at each new `trend`; ask for alarm_job, once for the same alarms."""
    from dualollama_pipeline.tables.listing import raised_alarms  # noqa: PLC0415 imports pandas

    made = context.instance.get_latest_materialization_event(dg.AssetKey("trend"))
    if made is None or f"{made.timestamp}" == context.cursor:
        return dg.SkipReason("there is no trend that was not looked at")
    alarms = raised_alarms(Warehouse(bench.settings.warehouse).tables)
    key = sha256(" ".join(sorted(alarms)).encode()).hexdigest()
    requests = [_request(key, list(alarms.values()))] if alarms else []
    return dg.SensorResult(run_requests=requests, cursor=f"{made.timestamp}")


@dg.sensor(
    job_name="alarm_job",
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Raises an alarm when a night was missed, or was left before its end.",
)
def night_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Look at the last night that should be over."""
    return missing_night(context.instance, datetime.now(UTC), _on_since(context.instance))


def missing_night(
    instance: dg.DagsterInstance, now: datetime, since: datetime | None
) -> dg.RunRequest | dg.SkipReason:
    """Return an alarm about the last scheduled night, if it is due and not there.

    `since` is when the nightly schedule was turned on. A configuration that failed is a missing
    value of its night, not a missing night (METHOD).
    """
    if since is None:
        return dg.SkipReason(f"{nightly_schedule.name} is off")
    due = last_night(now)
    if due < since:
        return dg.SkipReason(f"{nightly_schedule.name} was turned on after the last night")
    night = night_of(due)
    runs = instance.get_runs(dg.RunsFilter(tags={BATCH_TAG: night}))
    if any(run.status in UNFINISHED for run in runs):
        return dg.SkipReason(f"{night} is at work")
    ended = {run.tags.get(PARTITION_TAG) for run in runs if run.status in {S.SUCCESS, S.FAILURE}}
    n_asked = max((int(run.tags.get(SIZE_TAG, 0)) for run in runs), default=0)
    n_left = (n_asked or len(STUDY.config_ids)) - len(ended)  # the study may have grown since
    if n_left <= 0:
        return dg.SkipReason(f"{night} reached its end")
    text = (
        f"{night} was missed: no run was launched. Dagster was off (`make ui`), or "
        f"{nightly_schedule.name} has skipped it: its last tick says why"
    )
    if runs:
        left = [config_id for config_id in STUDY.config_ids if config_id not in ended]
        named = ", ".join(left[:MOST_NAMED]) + (", ..." if len(left) > MOST_NAMED else "")
        text = (
            f"{night} was left before its end: {n_left} of {n_left + len(ended)} configurations "
            f"were not tried ({named}). Launch trials_job for them with the tag {BATCH_TAG}: "
            f"{night}"
        )
    return _request(f"{night}/{n_left}", [text])


def _on_since(instance: dg.DagsterInstance) -> datetime | None:
    """Return since when the nightly schedule is on; None where it is off."""
    for state in instance.all_instigator_state():
        if state.instigator_name == nightly_schedule.name and state.is_running:
            began = getattr(state.instigator_data, "start_timestamp", None) or 0.0
            return datetime.fromtimestamp(began, UTC)
    return None


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of each failed run, alarms included: a line to a file, or a POST to a URL "
    "(DUALOLLAMA_NOTIFY). An example of a hook; take it as one for a chat or mail.",
)
def notify_sensor(
    context: dg.RunFailureSensorContext, bench: dg.ResourceParam[Bench]
) -> dg.SkipReason | None:
    """Send one JSON object."""
    target = bench.settings.notify
    if target is None:
        return dg.SkipReason("DUALOLLAMA_NOTIFY names no file and no URL")
    run = context.dagster_run
    notify(
        target,
        {
            "job": run.job_name,
            "run_id": run.run_id,
            "configuration": run.tags.get(PARTITION_TAG),
            "batch": run.tags.get(BATCH_TAG),
            "text": first_error(context.instance, run),
        },
    )
    return None


def notify(target: str, message: dict[str, str | None]) -> None:
    """Send a message to a file (a line at its end) or to a URL.

    Raises:
        DualOllamaError: it did not arrive.
    """
    import httpx  # noqa: PLC0415 only where there is something to tell

    try:
        if target.startswith(("http://", "https://")):
            httpx.post(target, json=message, timeout=10, trust_env=False).raise_for_status()
        else:
            with Path(target).open("a", encoding="utf-8") as file:
                file.write(json.dumps(message) + "\n")
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise DualOllamaError(
            f"DUALOLLAMA_NOTIFY: {target!r} did not take a message ({error})",
            "name a file that can be written, or a URL that takes a POST",
        ) from error
