"""The environment: every variable works, every wrong one is named.

The trap: a misspelt variable that is ignored, so that the default is measured instead.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import Study, load_study

TWO_URLS = {
    "DUALOLLAMA_SERVERS": "external",
    "DUALOLLAMA_URL_A": "http://127.0.0.1:11434",
    "DUALOLLAMA_URL_B": "http://127.0.0.1:11435",
}


STUDY = load_study(PROJECT_ROOT / "data" / "studies" / "tr114" / "study.yaml")


def refusal(environment: dict[str, str], **overrides: object) -> InputError:
    with pytest.raises(InputError) as caught:
        Settings.from_environment(environment, **overrides).urls(STUDY)
    return caught.value


def test_defaults() -> None:
    """`make run` on a fresh machine needs neither servers nor a model."""
    settings = Settings.from_environment({"PATH": "/bin", "OLLAMA_HOST": "elsewhere"})
    assert settings == Settings(
        servers="simulated",
        url={},
        model="gemma3:latest",
        blocks=5,
        workload="standard",
        warehouse=PROJECT_ROOT / "data" / "warehouse",
        data=PROJECT_ROOT / "data",
    )
    assert (PROJECT_ROOT / "pyproject.toml").is_file()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("DUALOLLAMA_SERVERS", "simulated", "servers", "simulated"),
        ("DUALOLLAMA_URL_A", "http://h:1", "url", {"a": "http://h:1"}),
        ("DUALOLLAMA_URL_A", "http://h:1/", "url", {"a": "http://h:1"}),
        ("DUALOLLAMA_URL_B", "http://[::1]:2", "url", {"b": "http://[::1]:2"}),
        ("DUALOLLAMA_MODEL", "qwen3:4b", "model", "qwen3:4b"),
        ("DUALOLLAMA_BLOCKS", "7", "blocks", 7),
        ("DUALOLLAMA_BLOCKS", "1000", "blocks", 1000),
        ("DUALOLLAMA_WORKLOAD", "standard", "workload", "standard"),
        ("DUALOLLAMA_WAREHOUSE", "elsewhere", "warehouse", Path("elsewhere")),
        ("DUALOLLAMA_DATA", "mine", "data", Path("mine")),
    ],
)
def test_each_variable_by_name(variable: str, text: str, field: str, value: object) -> None:
    """A renamed field would leave a documented variable without effect."""
    assert getattr(Settings.from_environment({variable: text}), field) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DUALOLLAMA_SERVERS", "both"),
        ("DUALOLLAMA_URL_A", "http://h:"),
        ("DUALOLLAMA_URL_A", "h:1"),
        ("DUALOLLAMA_URL_A", "ftp://h:1"),
        ("DUALOLLAMA_URL_A", "http://:1"),
        ("DUALOLLAMA_URL_A", "http://h:99999"),
        ("DUALOLLAMA_URL_A", "http://h:port"),
        ("DUALOLLAMA_URL_A", "http://h:1/api?x=1"),
        ("DUALOLLAMA_URL_B", "http://[::1:1"),
        ("DUALOLLAMA_MODEL", "two words"),
        ("DUALOLLAMA_BLOCKS", "0"),
        ("DUALOLLAMA_BLOCKS", "-1"),
        ("DUALOLLAMA_BLOCKS", "1001"),
        ("DUALOLLAMA_BLOCKS", "5.5"),
        ("DUALOLLAMA_BLOCKS", "five"),
        ("DUALOLLAMA_WORKLOAD", "other"),
    ],
)
def test_bad_values_name_variable_and_value(variable: str, text: str) -> None:
    """`blocks=five` deep in a traceback is not what a shell script's author looks for."""
    error = refusal({variable: text})
    assert f"{variable} = {text!r}" in error.problem
    assert variable in error.way_out


@pytest.mark.parametrize("variable", ["DUALOLLAMA_BLOCK", "DUALOLLAMA_SEED", "DUALOLLAMA_"])
def test_unknown_variables_are_refused(variable: str) -> None:
    """DUALOLLAMA_BLOCK=50 over night, and five blocks in the morning."""
    error = refusal({variable: "50"})
    assert variable in error.problem
    assert "not permitted" in error.problem
    assert "DUALOLLAMA_BLOCKS" in error.way_out


def test_a_variable_that_is_set_to_nothing_is_not_set() -> None:
    """Compose files and CI set unused variables to the empty string."""
    assert Settings.from_environment({"DUALOLLAMA_BLOCKS": "", "DUALOLLAMA_URL_A": ""}) == (
        Settings.from_environment({})
    )


def test_overrides_win_and_none_is_no_override() -> None:
    """An option that was not given on the command line must not erase the environment's."""
    environment = {"DUALOLLAMA_BLOCKS": "7", "DUALOLLAMA_MODEL": "qwen3:4b"}
    settings = Settings.from_environment(environment, blocks=3, model=None)
    assert (settings.blocks, settings.model) == (3, "qwen3:4b")
    assert "DUALOLLAMA_BLOCKS = 0" in refusal(environment, blocks=0).problem


def test_external_servers_are_two_different_ones() -> None:
    """Two agents on one server is the anti-pattern, and it would be reported as `dual`."""
    found = Settings.from_environment(TWO_URLS).urls(STUDY)
    assert found == {"a": "http://127.0.0.1:11434", "b": "http://127.0.0.1:11435"}


@pytest.mark.parametrize(
    "changes",
    [
        {"DUALOLLAMA_URL_A": ""},
        {"DUALOLLAMA_URL_B": ""},
        {"DUALOLLAMA_URL_A": "", "DUALOLLAMA_URL_B": ""},
        {"DUALOLLAMA_URL_B": TWO_URLS["DUALOLLAMA_URL_A"]},
        {"DUALOLLAMA_URL_B": TWO_URLS["DUALOLLAMA_URL_A"] + "/"},
    ],
)
def test_external_servers_that_are_missing_or_the_same_are_refused(
    changes: dict[str, str],
) -> None:
    """A trailing slash does not make another server."""
    message = str(refusal({**TWO_URLS, **changes}))
    empty = [name for name, value in changes.items() if not value]
    assert " and ".join(empty or ["DUALOLLAMA_URL_A", "DUALOLLAMA_URL_B"]) in message


def test_a_variable_of_no_server_of_the_study_is_refused() -> None:
    """Trap: a misspelt server's URL is ignored, and another server is measured."""
    message = str(refusal({**TWO_URLS, "DUALOLLAMA_URL_AB": "http://h:3"}))
    assert "DUALOLLAMA_URL_AB = 'ab' is not permitted: there are a, b (did you mean" in message


def test_a_servers_url_may_stand_in_the_study() -> None:
    """The variable wins: the same study is measured elsewhere."""
    servers = ({"name": "a", "url": "http://h:1"}, {"name": "b", "url": "http://h:2"})
    study = Study.model_validate({"servers": servers, "configurations": [{"config_id": "x"}]})
    assert Settings().urls(study) == {"a": "http://h:1", "b": "http://h:2"}
    assert Settings(url={"b": "http://g:5"}).urls(study)["b"] == "http://g:5"


def test_which_study_is_read(tmp_path: Path) -> None:
    """DUALOLLAMA_STUDY names a folder or a file; a data folder's own matrix.yaml is one, too."""
    assert Settings(study=tmp_path).study_file == tmp_path / "study.yaml"
    assert Settings(study=tmp_path / "my.yaml").study_file == tmp_path / "my.yaml"
    shipped = PROJECT_ROOT / "data" / "studies" / "tr114" / "study.yaml"
    assert Settings(data=tmp_path).study_file == shipped
    (tmp_path / "matrix.yaml").touch()
    assert Settings(data=tmp_path).study_file == tmp_path / "matrix.yaml"


def test_without_an_argument_the_process_environment_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one place where os.environ is read at all."""
    monkeypatch.setenv("DUALOLLAMA_BLOCKS", "9")
    assert Settings.from_environment().blocks == 9


def test_a_cloud_model_for_all_is_refused() -> None:
    """What is refused for one agent must not be allowed for both."""
    assert "cloud" in str(refusal({"DUALOLLAMA_MODEL": "gpt-oss:120b-cloud"}))


@pytest.mark.parametrize(
    ("url_a", "url_b"), [("http://h:1", "http://H:1"), ("http://h:1", "http://h:01")]
)
def test_one_server_under_two_spellings_is_one_server(url_a: str, url_b: str) -> None:
    """Host names fold case, and ports are numbers."""
    urls = {"DUALOLLAMA_URL_A": url_a, "DUALOLLAMA_URL_B": url_b}
    assert "same server" in str(refusal({**TWO_URLS, **urls}))


@pytest.mark.parametrize("url", ["http://h:1?x=1", "http://h:1#f", "http://u:p@h:1", "http://h :1"])
def test_urls_with_more_than_host_and_port_are_refused(url: str) -> None:
    """`http://h:1?x=1/api/generate` is a request for `/`; a password would be written down."""
    message = str(refusal({"DUALOLLAMA_URL_A": url}))
    assert "DUALOLLAMA_URL_A = " in message
    assert "u:p" not in message


def test_one_server_under_two_names_of_this_machine_is_refused() -> None:
    """Localhost and 127.0.0.1: `dual` would be `single`, and nothing would look wrong."""
    urls = {"a": "http://localhost:11434", "b": "http://127.0.0.1:11434"}
    with pytest.raises(InputError, match="same server"):
        Settings(servers="external", url=urls).urls(STUDY)
