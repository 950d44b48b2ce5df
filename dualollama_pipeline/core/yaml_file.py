"""Reading what a person wrote in data/*.yaml: refused with file, field, value and way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from dualollama_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from yaml import SafeLoader

    from dualollama_pipeline.core.errors import Place
else:  # the same language; where PyYAML was built with libyaml, ten times as fast
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Model = TypeVar("Model", bound=BaseModel)


class UniqueKeyLoader(SafeLoader):
    """PyYAML keeps the last of two equal keys and says nothing; this one refuses."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a mapping in which a key stands twice."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise yaml.YAMLError(f"key {key!r} appears twice in the mapping at line {line}")
        return super().construct_mapping(node, deep=deep)


class Written(BaseModel):
    """A frozen model that refuses unknown keys; a whole number may stand for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _truth_values_and_texts_are_no_numbers(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name, field in cls.model_fields.items():
                is_number = field.annotation in {int, float}
                if is_number and isinstance(values.get(name), (bool, str)):
                    msg = f"{name} = {values[name]!r} is no number; write it without quotes"
                    raise ValueError(msg)
        return values


def load_yaml(
    path: Path,
    model: type[Model],
    context: dict[str, Any] | None = None,
    permitted: Callable[[Place], list[str]] | None = None,
) -> Model:
    """Read a YAML file into a pydantic model; `context` is for its validators.

    `permitted` says which keys there are at a place, to be told beside one that there is not.

    Raises:
        InputError: the file is missing, is no YAML, or a field is wrong; names field and value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot read it ({error})",
            f"name another file, or restore {path.name} from the project's data/",
        ) from error
    try:
        content = yaml.load(text, Loader=UniqueKeyLoader)  # noqa: S506 a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {error}", "correct the line named") from error
    try:
        return model.model_validate(content, context=context)
    except ValidationError as error:
        # `specs` stands in no file: an agent's options stand under its name
        raise InputError.from_validation(
            str(path), error, lambda field: field.replace(".specs", ""), permitted
        ) from error
