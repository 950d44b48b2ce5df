"""What a study is made of: agents with what they are asked, servers and their surroundings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dualollama_pipeline.core.model_name import PATTERN, refuse_cloud
from dualollama_pipeline.core.protocol import OLLAMA, Protocol

# '|' joins Dagster's multi-partition keys, '/' and '..' would leave the warehouse: letters,
# digits, '-' and '_' only.
SAFE_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
NAME = r"^[a-z][a-z0-9_]{0,30}$"  # of a server or agent: part of an arm, of a variable, of a column
ALL = "all"  # the scenario of a study that has none


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and never turns one type into another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class AgentOptions(Strict):
    """Ollama options that the study varies; None is "not sent", the server's default.

    Ranges are Ollama's: num_gpu counts layers (-1 = automatic fit, 0 = CPU), num_ctx is in tokens.
    """

    num_gpu: Annotated[int, Field(ge=-1, le=10_000)] | None = None
    num_ctx: Annotated[int, Field(ge=4, le=10_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0, le=10)] | None = None

    @field_validator("temperature", "top_p", "repeat_penalty", mode="before")
    @classmethod
    def _whole_numbers_are_numbers(cls, value: Any) -> Any:
        """YAML reads `1` as an integer; `true` is an int to Python and stays refused."""
        try:
            return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        except OverflowError:
            return value  # refused as no float, by its name and value

    def given(self) -> dict[str, int | float]:
        """Return the options that were set: what is sent to the server."""
        return self.model_dump(include=set(AgentOptions.model_fields), exclude_none=True)


class AgentSpec(AgentOptions):
    """One agent of a configuration: its options, and a model of its own if it has one.

    `think` asks a model that can think before it answers to do so; without it it is told not to.
    """

    model: Annotated[str, Field(pattern=PATTERN, max_length=200)] | None = None
    think: bool | None = None

    @field_validator("model")
    @classmethod
    def _not_in_the_cloud(cls, value: str | None) -> str | None:
        return None if value is None else refuse_cloud(value)


def _read_prompt(value: Any, info: ValidationInfo) -> Any:
    """Take a text as it is, and `{file: PATH}` from the study's folder."""
    if not isinstance(value, dict):
        return value
    folder = (info.context or {}).get("folder")
    if folder is None or list(value) != ["file"] or not isinstance(value["file"], str):
        msg = "write a text, or {file: PATH} with a path from the study's folder"
        raise ValueError(msg)
    path = folder / value["file"]
    (info.context or {}).setdefault("read", []).append(path)
    try:
        text: str = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read the prompt ({error}); correct the path or the file"
        raise ValueError(msg) from error
    return text


Prompt = Annotated[str, BeforeValidator(_read_prompt), Field(min_length=1, max_length=1_000_000)]


class StudyTurn(Strict):
    """A turn of a conversation: what the agent is told, and what stands for its answer."""

    user: Prompt
    answer: Prompt | None = None


class StudyAgent(AgentSpec):
    """An agent of the study: where it runs, what it is asked, and what all configurations share.

    `prompts` are sent one after the other, each on its own; the turns of a `conversation` with all
    that was said before. The `answer` of a turn is replayed, so that every arm does the same work;
    a `live` conversation goes on from what the model said. An agent with neither does the workload.
    `num_predict` bounds each answer.
    """

    name: Annotated[str, Field(pattern=NAME)]
    server: Annotated[str, Field(pattern=NAME)]
    prompts: Annotated[tuple[Prompt, ...], Field(strict=False, max_length=20)] = ()
    conversation: Annotated[tuple[StudyTurn, ...], Field(strict=False, max_length=50)] = ()
    live: bool = False
    num_predict: Annotated[int, Field(gt=0, lt=2**31)] | None = None

    @field_validator("name")
    @classmethod
    def _means_an_agent(cls, value: str) -> str:
        if value in {ALL, *OWN_KEYS}:
            msg = f"{value!r} has a meaning of its own in a study; call the agent otherwise"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _is_one_thing(self) -> StudyAgent:
        *before, _ = [turn.answer for turn in self.conversation] or [None]
        if self.prompts and self.conversation:
            msg = f"{self.name} has prompts and a conversation; write one of them"
        elif self.live and not self.conversation:
            msg = f"{self.name} is live and has no conversation; write its turns, or leave live out"
        elif self.live and any(answer is not None for answer in before):
            msg = f"{self.name} is live, so what the model says counts; leave its answers out"
        elif not self.live and None in before:
            msg = (
                f"turn {before.index(None) + 1} of {self.name} has no answer to go on from; write "
                "one, the same in all arms, or `live: true` to take what the model says"
            )
        else:
            return self
        raise ValueError(msg)

    @property
    def has_work(self) -> bool:
        """Whether it is asked something of its own."""
        return bool(self.prompts or self.conversation)


def _as_text(value: Any) -> Any:
    """YAML reads `2` as a number; `true` stays refused: programs differ in how they read it."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


Variables = dict[Variable, Annotated[str, BeforeValidator(_as_text)]]


GPUS = r"^[A-Za-z0-9][A-Za-z0-9,:/_-]*$"


class Surroundings(Strict):
    """What a server is started with: the GPUs that it sees, and variables of its environment."""

    gpu: Annotated[str, BeforeValidator(_as_text), Field(pattern=GPUS)] | None = None
    environment: Variables = Field(default_factory=dict)


class StudyServer(Surroundings):
    """A server of the study; its URL may stand in DUALOLLAMA_URL_<NAME> instead.

    `protocol` is what it speaks: Ollama's own, or OpenAI's (llama-server, vLLM, LM Studio).
    """

    name: Annotated[str, Field(pattern=NAME)]
    url: str | None = None
    protocol: Protocol = OLLAMA


OWN_KEYS = {
    "config_id": "config_id", "id": "config_id", "scenario": "scenario", "servers": "servers",
}  # fmt: skip


class ServiceLevels(Strict):
    """What every agent needs: TTFT in ms for 95 of 100 calls at most, tokens/s at least."""

    ttft_p95_ms: Annotated[float, Field(gt=0)] = 2000.0
    tok_per_s: Annotated[float, Field(gt=0)] = 10.0


Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Deadlines(Strict):
    """How long the worker waits, in seconds of the wall clock, whatever clock it measures with.

    `return_s`: for a server that does not answer any more to come back, in three pauses.
    """

    connect_s: Seconds = 5.0
    load_s: Seconds = 900.0
    first_token_s: Seconds = 300.0
    idle_s: Seconds = 60.0
    total_s: Seconds = 900.0
    return_s: Seconds = 100.0
