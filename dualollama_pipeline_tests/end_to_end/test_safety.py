"""What must never happen on a machine that measures: an open port, a leaked secret, a foreign path.

Model text in pages is tested with the report, damaged and full disks with what writes there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.cli.serve import HOST
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.ruler import paced_server
from dualollama_pipeline_tests.kills.harness import CONFIG, ONE_RUN, PIPELINE, environment, run

LOOPBACK = {"127.0.0.1", "::1"}
PICKLE = b"\x80"  # every pickle since protocol 2 begins with it
PRIVATE = "correct-horse-battery-staple"


def test_nothing_listens_beyond_loopback(simulated_pair: ServerPair) -> None:
    """A measuring machine in an office network is not to be used by the office."""
    assert set(simulated_pair.urls) == {"a", "b"}
    with paced_server():
        children = psutil.Process().children(recursive=True)
        listening = {
            connection.laddr.ip
            for child in children
            for connection in child.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
    assert listening
    assert listening <= LOOPBACK
    assert HOST in LOOPBACK  # of Dagster's UI and of the report beside it


def test_a_secret_in_a_url_is_told_to_nobody(tmp_path: Path) -> None:
    """It is refused, and the refusal itself must not print it."""
    variables = {
        **environment(tmp_path),
        "DUALOLLAMA_SERVERS": "external",
        "DUALOLLAMA_URL_A": f"http://user:{PRIVATE}@127.0.0.1:1",
        "DUALOLLAMA_URL_B": "http://127.0.0.1:2",
    }
    for command in (["run"], ["measure", CONFIG], ["doctor"], ["report"]):
        done = subprocess.run(
            [sys.executable, "-m", PIPELINE, *command],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "DUALOLLAMA_URL_A" in done.stderr
        assert PRIVATE not in done.stdout + done.stderr
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(PRIVATE.encode() in content for content in kept)


@pytest.mark.parametrize("batch_id", ["../../evil", "/etc/evil", "a/b", "..", "", "x" * 65])
def test_a_batch_tag_is_no_path(tmp_path: Path, batch_id: str) -> None:
    """Tags are typed into the UI by whoever launches a run."""
    settings = Settings(warehouse=tmp_path / "warehouse")
    pair = ServerPair({"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"}, "real")
    with pytest.raises(InputError, match="batch_id"):
        Measurement(settings, pair, lambda _: None).run(CONFIG, batch_id)
    assert not list(tmp_path.rglob("*"))


def test_no_result_is_a_pickle(tmp_path: Path) -> None:
    """A pickle runs code when it is opened, and nobody else can read it."""
    assert run(tmp_path, ONE_RUN, CONFIG).code == 0
    results = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in results)
    for path in results:
        assert not path.read_bytes().startswith(PICKLE), path


def test_a_warehouse_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Nothing is measured that cannot be kept. A file in the way stops root, too."""
    warehouse = tmp_path / "warehouse"
    warehouse.write_bytes(b"")
    done = run(tmp_path, PIPELINE, "run", "--configs", CONFIG)
    assert done.code == 1
    assert str(warehouse) in done.said
    assert "Traceback" not in done.said


def test_a_full_disk_is_told_and_the_old_table_stays(tmp_path: Path) -> None:
    """A file system of a few KB: the new table does not fit, the old one is whole."""
    assert run(tmp_path, ONE_RUN, CONFIG).code == 0
    store = TableStore(tmp_path / "warehouse" / "tables")
    old = store.load("call_table", CONFIG)
    path = store.path("call_table", CONFIG)
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from dualollama_pipeline.tables.store import TableStore\n"
        "store = TableStore(Path(sys.argv[1]))\n"
        f"rows = store.load('call_table', '{CONFIG}')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"store.publish('call_table', rows, '{CONFIG}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.root)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "TableError" in done.stderr
    assert str(path) in done.stderr
    assert "make room" in done.stderr
    assert store.load("call_table", CONFIG).equals(old)
    assert not list(tmp_path.rglob("*.part"))
