"""Model names as Ollama reads them: HOST/NAMESPACE/MODEL:TAG, with defaults, whatever the case."""

from __future__ import annotations

import re

# A registry may have a port; pydantic's patterns know no look-ahead.
PATTERN = (
    r"^[A-Za-z0-9][A-Za-z0-9._-]*((:[0-9]{1,5})?(/[A-Za-z0-9][A-Za-z0-9._-]*)+)?"
    r"(:[A-Za-z0-9._-]+)?$"
)
DEFAULTS = ("registry.ollama.ai", "library")


def full_name(model: str) -> str:
    """Complete a name as Ollama does and fold its case: two names of one model become equal.

    `Gemma3`, `library/gemma3` and `registry.ollama.ai/library/gemma3:latest` are one.
    """
    path, colon, tag = model.rpartition(":")
    if not colon or "/" in tag:  # no tag, or the colon before a registry's port
        path, tag = model, "latest"
    parts = path.split("/")
    return f"{'/'.join([*DEFAULTS[: max(3 - len(parts), 0)], *parts])}:{tag}".casefold()


def tagged(model: str) -> str:
    """Return a name with its tag: `gemma3` is `gemma3:latest`."""
    path, colon, tag = model.rpartition(":")
    return model if colon and path and "/" not in tag else f"{model}:latest"


def same_model(one: str, other: object) -> bool:
    """Say whether two names are one model to Ollama."""
    return isinstance(other, str) and (one == other or full_name(one) == full_name(other))


def refuse_cloud(model: str) -> str:
    """Return a model's name; raise ValueError if it runs in Ollama's cloud."""
    if re.search(r"[:-]cloud$", model):
        msg = "a cloud model runs elsewhere, it says nothing about this machine; name a local one"
        raise ValueError(msg)
    return model
