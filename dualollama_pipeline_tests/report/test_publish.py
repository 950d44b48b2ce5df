"""The report on disk."""

from __future__ import annotations

import json

import pytest

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.report.publish import publish_report
from dualollama_pipeline.report.sections.contents import SECTIONS


def test_four_files_and_nothing_else(slower, tmp_path):
    """Trap: a half-written or temporary file is left behind."""
    page = publish_report(slower, tmp_path / "report", SECTIONS).page
    assert page == tmp_path / "report" / "index.html"
    names = sorted(path.name for path in page.parent.iterdir())
    assert names == ["evidence.html", "index.html", "report.md", "summary.json"]
    content = json.loads((page.parent / "summary.json").read_text(encoding="utf-8"))
    assert content["headline"] in page.read_text(encoding="utf-8")


def test_refusing_disk_is_an_error_with_a_way_out(slower, tmp_path):
    """Trap: a bare OSError, and the user does not know which file."""
    (tmp_path / "report").write_text("a file where the folder should be")
    with pytest.raises(TableError, match=r"summary\.json.*cannot write") as caught:
        publish_report(slower, tmp_path / "report", SECTIONS)
    assert caught.value.way_out
