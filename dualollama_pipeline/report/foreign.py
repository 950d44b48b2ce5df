"""Foreign text (of models, servers, files) made fit for a line; escaping is page.py's business."""

from __future__ import annotations

import unicodedata

LONGEST_TEXT = 300
MARKS = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def one_line(text: str) -> str:
    """Return a text on one line, without control or direction marks."""
    visible = "".join(" " if unicodedata.category(sign) in MARKS else sign for sign in text)
    return " ".join(visible.split())


def shorten(text: str) -> str:
    """Cut a foreign text to a length that a table bears, on one line."""
    line = one_line(text)
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
