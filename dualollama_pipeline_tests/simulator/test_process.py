"""The trap: a stand-in that the official client cannot talk to, or that outlives its parent."""

import json
import signal
import socket
import subprocess
import sys

import ollama
import pytest

COMMAND = [sys.executable, "-m", "dualollama_pipeline.simulator"]
MODEL = "gemma3:latest"


def test_official_client(pair: dict[str, str]):
    """In real time, as a person would use it: nobody has joined."""
    with ollama.Client(host=pair["a"], trust_env=False, timeout=30) as client:
        assert [m.model for m in client.list().models] == [MODEL]
        assert client.show(MODEL).modelinfo["gemma3.block_count"] == 34
        streamed = list(client.generate(MODEL, "hello", stream=True, options={"num_predict": 4}))
        assert [part.done for part in streamed] == [False] * 4 + [True]
        assert streamed[-1].eval_count == 4
        assert client.generate(MODEL, "").done_reason == "load"
        (loaded,) = client.ps().models
        assert loaded.context_length == 4096
        whole = client.generate(MODEL, "hello", options={"num_predict": 3})
        assert whole.done_reason == "length"
        assert len(whole.response.split()) == 3
        with pytest.raises(ollama.ResponseError) as error:
            client.generate("other", "hello")
        assert error.value.status_code == 404
        assert client.generate(MODEL, "", keep_alive=0).done_reason == "unload"
        assert client.ps().models == []


def test_official_client_chats(pair: dict[str, str]):
    """Chat carries the same words in another place; loading and unloading work there too."""
    message = [{"role": "user", "content": "hello"}]
    with ollama.Client(host=pair["a"], trust_env=False, timeout=30) as client:
        streamed = list(client.chat(MODEL, message, stream=True, options={"num_predict": 4}))
        assert [part.done for part in streamed] == [False] * 4 + [True]
        assert all(part.message.content for part in streamed[:-1])
        assert streamed[-1].eval_count == 4
        whole = client.chat(MODEL, message, options={"num_predict": 3})
        assert whole.message.role == "assistant"
        assert len((whole.message.content or "").split()) == 3
        assert client.chat(MODEL, []).done_reason == "load"
        assert client.chat(MODEL, [], keep_alive=0).done_reason == "unload"
        assert client.ps().models == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(number: signal.Signals):
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        assert ready["pid"] == process.pid
        assert ready["a"].startswith("http://127.0.0.1:")
        process.send_signal(number)
        _, errors = process.communicate(timeout=5)
    assert (process.returncode, errors) == (0, b"")


def test_guard_ends_it_with_its_parent():
    done = subprocess.run(
        [*COMMAND, "--stdin-guard"], input=b"", capture_output=True, timeout=5, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--ports", "abc"], ["--ports abc", "2 different port numbers"]),
        (["--ports", "8000,8000"], ["--ports 8000,8000", "free ports"]),
        (["--profile", "nope"], ["--profile nope", "standard"]),
    ],
)
def test_bad_options_are_one_line(options: list[str], words: list[str]):
    done = subprocess.run([*COMMAND, *options], capture_output=True, timeout=5, check=False)
    text = done.stderr.decode()
    assert done.returncode == 2
    assert text.count("\n") == 1
    assert all(word in text for word in words)


def test_port_in_use_is_one_line():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--ports", f"{port},0"], capture_output=True, timeout=5, check=False
        )
    text = done.stderr.decode()
    assert (done.returncode, text.count("\n")) == (2, 1)
    assert f"--ports {port},0" in text
    assert "in use" in text
