"""The body of a request, read as strictly and as leniently as Ollama reads it.

Here: parsing and the error status and text of each mistake (unknown options pass silently, a wrong
type of a known one is a 500). What happens to a sound request is not decided here.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from dualollama_pipeline.simulator.durations import keep_alive_ns
from dualollama_pipeline.simulator.profile import Profile

_INTEGERS = frozenset(
    {"num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx", "num_batch"}
    | {"num_gpu", "main_gpu", "num_thread", "draft_num_predict"}
)
_FLOATS = frozenset(
    {"top_p", "min_p", "typical_p", "temperature", "repeat_penalty"}
    | {"presence_penalty", "frequency_penalty"}
)
_GO_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}


class ProtocolError(Exception):
    """A request that gets an error status; `str()` is the text of the `error` field."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """A sound generate or chat request. None means: not in the request.

    `is_held`: a JSON schema as `format`, or `ignore_eos`, keeps the model from stopping early.
    """

    model: str
    prompt: str
    is_stream: bool
    is_truncate: bool
    keep_alive_ns: int | None
    num_ctx: int | None
    num_gpu: int | None
    num_predict: int | None
    is_held: bool = False
    is_chat: bool = False
    is_openai: bool = False

    @property
    def is_unload(self) -> bool:
        """Whether it asks for the model to be dropped."""
        return not self.prompt and self.keep_alive_ns == 0


def parse_generate(body: bytes, profile: Profile) -> Asked:
    """Read the body of /api/generate.

    Raises:
        ProtocolError: with Ollama's status and text.
    """
    fields = parse_object(body, "GenerateRequest")
    return _asked(fields, _field(fields, "prompt", str, ""), profile, is_chat=False)


def parse_chat(body: bytes, profile: Profile) -> Asked:
    """Read the body of /api/chat; its prompt is the messages' contents, one below the other.

    Raises:
        ProtocolError: with Ollama's status and text.
    """
    fields = parse_object(body, "ChatRequest")
    if not fields.get("model"):
        raise ProtocolError(400, "model is required")
    messages = _field(fields, "messages", list, [])
    contents = [_content(message) for message in messages]
    return _asked(fields, "\n".join(contents), profile, is_chat=True)


def parse_completion(body: bytes, profile: Profile) -> Asked:
    """Read the body of /v1/chat/completions; only streams are given.

    Raises:
        ProtocolError: with llama-server's status and something like its text.
    """
    fields = parse_object(body, "ChatCompletionRequest")
    messages = _field(fields, "messages", list, [])
    if not messages or not _field(fields, "stream", bool, default=False):
        raise ProtocolError(400, "messages and stream: true are needed")
    limit = _field(fields, "max_tokens", int, None)
    return Asked(
        model=known_model(fields, profile),
        prompt="\n".join(_content(message) for message in messages),
        is_stream=True,
        is_truncate=False,
        keep_alive_ns=None,
        num_ctx=None,
        num_gpu=None,
        num_predict=limit,
        is_held=_field(fields, "ignore_eos", bool, default=False),
        is_chat=True,
        is_openai=True,
    )


def _content(message: object) -> str:
    if not isinstance(message, dict):
        kind = _GO_NAMES.get(type(message), "null")
        raise ProtocolError(
            400, f"json: cannot unmarshal {kind} into Go struct field .messages of type api.Message"
        )
    content: str = _field(message, "content", str, "")
    return content


def _asked(fields: dict[str, Any], prompt: str, profile: Profile, *, is_chat: bool) -> Asked:
    try:
        kept_ns = keep_alive_ns(fields.get("keep_alive"))
    except ValueError as error:
        raise ProtocolError(400, str(error)) from error
    integers = _checked_integers(_field(fields, "options", dict, {}))
    return Asked(
        model=known_model(fields, profile),
        prompt=prompt,
        is_stream=_field(fields, "stream", bool, default=True),
        is_truncate=_field(fields, "truncate", bool, default=True),
        keep_alive_ns=kept_ns,
        num_ctx=integers.get("num_ctx"),
        num_gpu=integers.get("num_gpu"),
        num_predict=integers.get("num_predict"),
        is_held=isinstance(fields.get("format"), dict),
        is_chat=is_chat,
    )


def parse_object(body: bytes, go_type: str) -> dict[str, Any]:
    """Read a JSON object, or refuse the body as Go's decoder would."""
    if not body.strip():
        raise ProtocolError(400, "missing request body")
    try:
        fields = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(400, f"invalid character in request body: {error}") from error
    if not isinstance(fields, dict):
        kind = _GO_NAMES.get(type(fields), "null")
        raise ProtocolError(
            400, f"json: cannot unmarshal {kind} into Go value of type api.{go_type}"
        )
    return fields


def known_model(fields: dict[str, Any], profile: Profile) -> str:
    """The model's name as the request spells it, if the server holds that model."""
    name: str = _field(fields, "model", str, "") or _field(fields, "name", str, "")
    if not name:
        raise ProtocolError(400, "invalid model name")
    if profile.card(name) is None:
        raise ProtocolError(404, f"model '{name}' not found")
    return name


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name[0]!r} looking for beginning of value")


def _field(fields: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        found, wanted = _GO_NAMES.get(type(value), "object"), _GO_NAMES.get(kind, "map")
        raise ProtocolError(
            400, f"json: cannot unmarshal {found} into Go struct field .{name} of type {wanted}"
        )
    return value


def _checked_integers(options: dict[str, Any]) -> dict[str, int]:
    integers: dict[str, int] = {}
    for name, value in options.items():
        # A null is skipped, and so is an unknown name: Ollama only writes it to its log.
        if value is None:
            continue
        if name in _INTEGERS:
            integers[name] = int(_number(name, value, "integer"))
        elif name in _FLOATS:
            _number(name, value, "float32")
        elif name == "use_mmap" and not isinstance(value, bool):
            raise ProtocolError(500, 'option "use_mmap" must be of type boolean')
        elif name == "stop" and not _is_list_of_texts(value):
            raise ProtocolError(500, 'option "stop" must be of type array')
    return integers


def _number(name: str, value: object, kind: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(float(str(value))):
        raise ProtocolError(500, f'option "{name}" must be of type {kind}')
    return value  # type: ignore[return-value]


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
