"""The errors a user can meet, and the rule they keep: say what, where, and the way out.

    DualOllamaError
    ├── InputError      a matrix, plan, setting or command line that cannot be used
    ├── ServerError     a server that is not there, not distinct, or not what it must be
    ├── JournalError    evidence that cannot be read or belongs to something else
    │   └── ServersChangedError   it was begun with other servers than those of today
    └── TableError      a table that breaks its schema or cannot be read

A failed call of a model is no exception at all: it is a record (records.Failure).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

CREDENTIALS = re.compile(r"//[^/@]*@")  # of a URL: they belong in no message

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import ValidationError

    Place = tuple[int | str, ...]


class DualOllamaError(Exception):
    """Base of all errors that are meant for a user; `str()` of it is the whole message."""

    def __init__(self, problem: str, way_out: str) -> None:
        super().__init__(f"{problem}\n  way out: {way_out}")
        self.problem = problem
        self.way_out = way_out


class InputError(DualOllamaError):
    """Something that a person wrote cannot be used; names the field and the value."""

    @classmethod
    def from_validation(
        cls,
        source: str,
        error: ValidationError,
        name: Callable[[str], str] = str,
        permitted: Callable[[Place], list[str]] | None = None,
    ) -> InputError:
        """Translate pydantic's findings: one line for each field, with the value found.

        `name` turns a field into what the user wrote it as; `permitted` says which keys there are
        beside an unknown one.
        """
        lines = []
        for finding in error.errors(include_url=False):
            loc = ".".join(str(part) for part in finding["loc"])
            field = name(loc) if finding["loc"] else "(whole document)"
            value = CREDENTIALS.sub("//***@", repr(finding["input"]))
            shown = value if len(value) <= 80 else value[:77] + "..."  # noqa: PLR2004 a screen line
            said = finding["msg"].removeprefix("Value error, ")
            is_key = finding["type"] in {"extra_forbidden", "model_type"} and finding["loc"]
            if permitted is not None and is_key:
                known, key = permitted(finding["loc"]), str(finding["loc"][-1])
                near = get_close_matches(key, known, n=1)
                said += f"; there are {', '.join(known)}" + "".join(
                    f" (did you mean {each}?)" for each in near
                )
            lines.append(f"{source}: {field} = {shown}: {said}")
        return cls("\n".join(lines), f"correct the field(s) named above in {source}")


class ServerError(DualOllamaError):
    """A server does not answer, is not Ollama, or is not what the plan needs."""


class JournalError(DualOllamaError):
    """A journal is damaged, or was written for another plan."""


class ServersChangedError(JournalError):
    """An unfinished journal was begun with other servers; a new batch can be opened."""


class TableError(DualOllamaError):
    """A table breaks its schema, or its file cannot be read."""
