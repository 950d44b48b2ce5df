"""What a server wants to know before it answers: from the environment, and into nothing else.

No plan, journal, log or page holds it: `hidden` takes it out of whatever a server or proxy says.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN, BASIC = "DUALOLLAMA_TOKEN", "DUALOLLAMA_BASIC"  # names of variables
STARS = "***"
SHORTEST = 4  # a shorter one would blacken ordinary words


@dataclass(frozen=True, repr=False)
class Credentials:
    """The Authorization header of one server (None: it wants none), and what must not be shown."""

    header: str | None = None
    secrets: tuple[str, ...] = ()

    def hidden(self, text: str) -> str:
        """Return a text without the secrets."""
        for secret in self.secrets:
            text = text.replace(secret, STARS)
        return text


def credentials_of(server: str, environment: Mapping[str, str] | None = None) -> Credentials:
    """Return those of a server, from DUALOLLAMA_TOKEN or _BASIC (with _A, _B: of that one alone).

    Raises:
        InputError: a value cannot stand in a header, or both kinds are given; names the variable,
            not the value.
    """
    environment = os.environ if environment is None else environment
    found: dict[str, tuple[str, str]] = {}
    for kind in (TOKEN, BASIC):
        for name in (f"{kind}_{server.upper()}", kind):
            if value := environment.get(name):
                found[kind] = name, value
                break
    if len(found) > 1:
        raise InputError(
            f"{' and '.join(name for name, _ in found.values())} are both set", "unset one of them"
        )
    for kind, (name, value) in found.items():
        if not value.isascii() or not value.isprintable():
            raise InputError(f"{name}: holds a character that no header can", "correct it")
        if kind == TOKEN:
            return Credentials(f"Bearer {value}", _worth_hiding(value))
        user, colon, password = value.partition(":")
        if not (user and colon):
            raise InputError(f"{name}: is not USER:PASSWORD", "write both, a colon between them")
        coded = base64.b64encode(value.encode()).decode()
        return Credentials(f"Basic {coded}", _worth_hiding(coded, value, password))
    return Credentials()


def _worth_hiding(*secrets: str) -> tuple[str, ...]:
    return tuple(secret for secret in secrets if len(secret) >= SHORTEST)
