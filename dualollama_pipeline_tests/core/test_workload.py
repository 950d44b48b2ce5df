"""The workload: bounded prompts, the same for everybody, from a corpus that is refused if damaged.

The trap: a prompt that outgrows the smallest context, so that the server cuts it in silence.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dualollama_pipeline.core.design import nonce
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.workload import (
    NONCE_CHARS,
    corpus_files,
    corpus_fingerprint,
    standard_workload,
    summarize_corpus,
)

OURS = PROJECT_ROOT / "data" / "corpus"
SMALL = {"t.csv": "run,ms\n1,5\n2,6\n", "m.json": '{"gpus": 1}', "f.md": "# One\ntext\n## Two\n"}


def corpus(folder: Path, **changes: str | bytes | None) -> Path:
    """A small corpus; `t_csv=...` replaces the content of t.csv, None removes the file."""
    files: dict[str, str | bytes | None] = {**SMALL}
    files |= {name.replace("_", "."): content for name, content in changes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if content is not None:
            data = content if isinstance(content, bytes) else content.encode()
            (folder / name).write_bytes(data)
    return folder


def test_two_stages_of_300_tokens_that_differ() -> None:
    """The same prompt twice would be answered from the prompt cache."""
    workload = standard_workload(OURS)
    assert workload.name == "standard"
    assert [stage.name for stage in workload.stages] == ["analysis", "report"]
    assert [stage.num_predict for stage in workload.stages] == [300, 300]
    analysis, report = (stage.prompt for stage in workload.stages)
    assert analysis != report
    assert "analysis" in analysis
    assert "report" in report


@pytest.mark.parametrize("rows", [0, 5_000])
def test_prompts_fit_the_smallest_context_whatever_the_corpus(tmp_path: Path, rows: int) -> None:
    """180 tokens of prompt and 300 of answer must fit num_ctx 512: 640 characters with nonce."""
    names = ",".join(f"column{number}" for number in range(rows + 1))
    for stage in standard_workload(corpus(tmp_path, t_csv=names)).stages:
        sent = nonce("any", "trial") + stage.prompt
        assert 200 < len(sent) <= 640
        assert len(sent) == 640 or rows == 0


def test_our_own_prompts_are_about_as_long_as_the_method_says() -> None:
    """About 150 tokens, at 3.7 to 4.5 characters a token: 555 to 640 characters."""
    for stage in standard_workload(OURS).stages:
        assert 555 <= len(stage.prompt) + NONCE_CHARS <= 640


def test_the_nonce_is_as_long_as_the_bound_assumes() -> None:
    """The constant and the function stand in different files."""
    assert {len(nonce(*parts)) for parts in (("a",), ("b", 1), ("x" * 500,))} == {NONCE_CHARS}


def test_prompts_are_the_same_on_every_call(tmp_path: Path) -> None:
    """Times or folder order in a prompt would give each configuration another workload."""
    first = standard_workload(corpus(tmp_path / "one"))
    second = standard_workload(corpus(tmp_path / "two"))
    assert first.stages == second.stages
    assert first.corpus_sha256 == second.corpus_sha256
    assert first.ingest_s > 0


def test_the_summary_counts_types_and_describes_each_file(tmp_path: Path) -> None:
    """A header line is no row."""
    assert summarize_corpus(corpus(tmp_path)) == (
        "Files: 1 CSV, 1 JSON, 1 Markdown. "
        "f: sections One, Two; m: fields gpus; t: 2 rows of run, ms."
    )


def test_files_are_sorted_and_others_left_out(tmp_path: Path) -> None:
    """The README describes the corpus and the picture is no text: neither is data."""
    corpus(tmp_path, README_md="# about", p_png=b"\x89PNG", a_md="# first")
    assert [path.name for path in corpus_files(tmp_path)] == ["a.md", "f.md", "m.json", "t.csv"]


def test_the_fingerprint_follows_content_and_name(tmp_path: Path) -> None:
    """It decides whether trials are stale: too coarse, and old trials pass for new."""
    before = corpus_fingerprint(corpus(tmp_path / "same"))
    assert corpus_fingerprint(corpus(tmp_path / "again")) == before
    content = corpus_fingerprint(corpus(tmp_path / "content", t_csv="run,ms\n1,5\n2,7\n"))
    name = corpus_fingerprint(corpus(tmp_path / "name", t_csv=None, u_csv=SMALL["t.csv"]))
    added = corpus_fingerprint(corpus(tmp_path / "added", z_md=""))
    described = corpus_fingerprint(corpus(tmp_path / "described", README_md="# about"))
    assert len({before, content, name, added}) == 4
    assert described == before
    assert standard_workload(tmp_path / "same").corpus_sha256 == before


def test_the_fingerprint_knows_where_a_file_ends(tmp_path: Path) -> None:
    """Glued together, two files would be the same as one that holds the name of the other."""
    one = corpus_fingerprint(corpus(tmp_path / "one", a_md="x", b_md="y"))
    two = corpus_fingerprint(corpus(tmp_path / "two", a_md="xb.md\0y"))
    assert one != two


@pytest.mark.parametrize("kind", ["missing", "empty", "only a readme"])
def test_an_empty_corpus_is_refused(tmp_path: Path, kind: str) -> None:
    """A prompt about no files at all would still be answered at full speed."""
    folder = tmp_path / "corpus"
    if kind != "missing":
        folder.mkdir()
    if kind == "only a readme":
        (folder / "README.md").write_text("# about", encoding="utf-8")
    for read in (standard_workload, corpus_fingerprint):
        with pytest.raises(InputError, match="no csv, json or md file") as caught:
            read(folder)
        assert str(folder) in caught.value.problem
        assert caught.value.way_out


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t_csv", b""),
        ("t_csv", b"\xff\xfe"),
        ("m_json", b""),
        ("m_json", b'{"gpus": '),
        ("f_md", b"\xff"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    """A cut download would change every prompt and nobody would know."""
    with pytest.raises(InputError) as caught:
        standard_workload(corpus(tmp_path, **{name: content}))
    assert str(tmp_path / name.replace("_", ".")) in caught.value.problem
    assert caught.value.way_out


def test_a_folder_with_the_name_of_a_file_is_no_file(tmp_path: Path) -> None:
    """An unpacked archive leaves such folders."""
    (corpus(tmp_path) / "z.csv").mkdir()
    assert "z.csv" not in [path.name for path in corpus_files(tmp_path)]
    assert corpus_fingerprint(tmp_path) == corpus_fingerprint(corpus(tmp_path / "without"))


@pytest.mark.parametrize(
    ("name", "content"), [("t_csv", b"a" * 200_000), ("m_json", b"[" * 200_000)]
)
def test_absurd_files_are_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    """A binary file with the suffix of a table is one endless field."""
    with pytest.raises(InputError):
        standard_workload(corpus(tmp_path, **{name: content}))


@pytest.mark.parametrize(("content", "said"), [('"abc"', "str"), ("[1, 2]", "list"), ("5", "int")])
def test_json_without_fields_is_named_by_its_type(tmp_path: Path, content: str, said: str) -> None:
    """The letters of a text are no fields: `fields a, b, c`."""
    assert f"m: fields {said};" in summarize_corpus(corpus(tmp_path, m_json=content))


def test_a_blank_line_is_no_row(tmp_path: Path) -> None:
    """Editors end files with a blank line; the inventory then claims a row too many."""
    corpus(tmp_path, t_csv="run,ms\n1,5\n2,6\n\n")
    assert "t: 2 rows of run, ms" in summarize_corpus(tmp_path)
