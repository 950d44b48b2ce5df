"""`python -m dualollama_pipeline.simulator`: serve the simulated pair until it is stopped.

Here: the command line and its refusals. Prints one JSON line on stdout when both servers listen.
"""

import argparse
import asyncio
import socket
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.simulator.serving import HOST, bound_socket, serve_pair

_LARGEST_PORT = 65535


class _BadOption(Exception):  # noqa: N818 - one line for the user, not an error of the program
    """An option that cannot be used; the text names option, value and way out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dualollama_pipeline.simulator",
        description="Serve simulated Ollama servers on loopback.",
    )
    parser.add_argument("--servers", default="a,b", help="their names, one GPU for all of them")
    parser.add_argument("--ports", help="A,B; free ports by default")
    parser.add_argument("--profile", default="standard", help="name in data/simulator or a path")
    parser.add_argument("--models", default="", help="further models, NAME,NAME")
    parser.add_argument("--slots", help="calls that a model of each server answers at a time: 1,1")
    parser.add_argument("--stdin-guard", action="store_true", help="end when stdin ends")
    options = parser.parse_args(arguments)
    try:
        models = [name for name in options.models.split(",") if name]
        profile = _profile(options.profile).serving(models)
        names = options.servers.split(",")
        slots = _slots(options.slots or ",".join("1" for _ in names), len(names))
        ports = _ports(options.ports or ",".join("0" for _ in names), len(names))
        sockets = {
            name: _socket(options.ports, port) for name, port in zip(names, ports, strict=True)
        }
    except _BadOption as error:
        sys.stderr.write(f"{error}\n")
        return 2
    asyncio.run(serve_pair(profile, sockets, slots, is_guarded=options.stdin_guard))
    return 0


def _profile(name_or_path: str) -> Profile:
    try:
        return Profile.load(name_or_path)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise _BadOption(
            f"--profile {name_or_path}: {where}: {first['msg']}; "
            "correct it, or copy data/simulator/standard.json"
        ) from error
    except (ValueError, OSError) as error:
        raise _BadOption(f"--profile {name_or_path}: {error}") from error


def _slots(text: str, wanted: int) -> list[int]:
    slots = [int(part) for part in text.split(",") if part.isdecimal() and int(part)]
    if len(slots) != wanted or len(text.split(",")) != wanted:
        raise _BadOption(f"--slots {text}: needs {wanted} whole numbers from 1, such as 2,1")
    return slots


def _ports(text: str, wanted: int) -> list[int]:
    parts = text.split(",")
    is_sound = len(parts) == wanted and all(
        part.strip().isdecimal() and int(part) <= _LARGEST_PORT for part in parts
    )
    ports = [int(part) for part in parts] if is_sound else []
    given = [port for port in ports if port]
    if not is_sound or len(set(given)) < len(given):
        raise _BadOption(
            f"--ports {text}: needs {wanted} different port numbers up to {_LARGEST_PORT}, such as "
            "--ports 11434,11435; leave it out for free ports"
        )
    return ports


def _socket(text: str, port: int) -> socket.socket:
    try:
        return bound_socket(port)
    except OSError as error:
        raise _BadOption(
            f"--ports {text}: cannot listen on {HOST}:{port} ({error.strerror}); stop what uses "
            "it, choose another port, or leave --ports out for free ports"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
