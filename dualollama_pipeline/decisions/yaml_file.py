"""Reading what a person wrote in data/*.yaml: refused with file, field, value and way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.matrix import _UniqueKeyLoader

if TYPE_CHECKING:
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)


def load_yaml(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into a pydantic model.

    Raises:
        InputError: the file is missing, is no YAML, or a field is wrong; names field and value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read it ({error})", f"restore {path.name}") from error
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {error}", "correct the line named") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError.from_validation(str(path), error) from error
