"""The numbers that the simulated pair lives by, and their fingerprint.

Here: the typed form of `data/simulator/*.json` and its noise-free twin. The values themselves stay
in those files, where a reader can see what was fitted; no rule of the model belongs here.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from dualollama_pipeline.core.model_name import full_name, same_model
from dualollama_pipeline.core.places import PROJECT_ROOT

SIMULATOR_VERSION = "1.0"
"""Raise it whenever the same profile would give different numbers: it is part of the identity."""

PROFILE_FOLDER = PROJECT_ROOT / "data" / "simulator"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Normal(_Frozen):
    """A normal distribution in the unit that the field's name gives."""

    mean: float
    sd: float = Field(ge=0)


class LogNormal(_Frozen):
    """A lognormal distribution: mean and sd of the natural logarithm."""

    ln_mu: float
    ln_sigma: float = Field(ge=0)


class ModelCard(_Frozen):
    """A model that every server has."""

    name: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(gt=0)
    block_count: int = Field(gt=0)
    trained_num_ctx: int = Field(gt=0)
    default_num_ctx: int = Field(gt=0)
    minimum_num_ctx: int = Field(gt=0)
    billions: float | None = Field(default=None, gt=0)
    """Its parameters in thousand millions, where the name tells them."""

    @property
    def layer_count(self) -> int:
        """Layers that can lie on the GPU: the blocks and the output layer."""
        return self.block_count + 1


BILLIONS = 4.3  # parameters of the profiles' model
PARAMETERS = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])")
"""The number of parameters in a model's name, as in `llama3.2:1b` and `smollm2:135m`."""


def resized(card: ModelCard, name: str) -> ModelCard:
    """A card for another name; the size follows from the parameters that the name tells.

    Reading weights is what a token costs, so its speed goes by this size (SIMULATOR.md).
    """
    found = PARAMETERS.search(name.lower())
    billions = float(found[1]) / (1000 if found[2] == "m" else 1) if found else BILLIONS
    return card.model_copy(
        update={
            "name": name,
            "digest": hashlib.sha256(full_name(name).encode()).hexdigest(),
            "size_bytes": max(1, round(card.size_bytes * billions / BILLIONS)),
            "billions": billions,
        }
    )


class Gpu(_Frozen):
    """Speed of one stream alone, and what several streams leave each other.

    `prompt_pair_share`: what a prompt that is being read gets of the GPU beside another stream;
    without it, as much as decoding. `batch_rates`: the total speed of 1, 2, ... slots of one model.
    """

    solo_tok_per_s: float = Field(gt=0)
    pair_share: float = Field(gt=0, le=1)
    prompt_pair_share: float | None = Field(default=None, gt=0, le=1)
    aggregate_share: float = Field(gt=0, le=1)
    batch_rates: tuple[float, ...] | None = Field(default=None, min_length=1)


class Loading(_Frozen):
    """Time from the free server to a model that answers."""

    warm_first_ms: LogNormal
    warm_following_ms: LogNormal
    reload_one_ms: Normal
    reload_both_ms: Normal
    reload_floor_ms: float = Field(gt=0)
    keep_alive_s: float = Field(gt=0)


class Prefill(_Frozen):
    """Reading of the prompt, in milliseconds of solo GPU work."""

    fixed_ms: float = Field(ge=0)
    cached_fixed_ms: float = Field(ge=0)
    per_token_ms: float = Field(ge=0)
    min_cached_tokens: int = Field(gt=0)
    characters_per_token: float = Field(gt=0)
    eps_first_ms: float = Field(ge=0)
    eps_following_ms: float = Field(ge=0)


class Decode(_Frozen):
    """Writing of the answer: noise of the speed, uncounted overhead, and its length."""

    work_ln_sigma: float = Field(ge=0)
    overhead_ms_per_token: Normal
    short_prompt_max_tokens: int = Field(gt=0)
    short_prompt_tokens: LogNormal
    long_prompt_tokens: Normal
    long_prompt_default_ctx_tokens: Normal


class Accidents(_Frozen):
    """Rare bad answers of an agent's following calls."""

    runaway_per_following_call: float = Field(ge=0, le=1)
    runaway_tokens: int = Field(gt=0)
    repetition_per_following_call: float = Field(ge=0, le=1)
    repetition_tokens: int = Field(gt=0)


class EarlyStops(_Frozen):
    """Answers that end by themselves before num_predict, as real models' do.

    `per_call` of them, at a share of num_predict that is uniform between the two.
    """

    per_call: float = Field(ge=0, le=1)
    least_share: float = Field(gt=0, le=1)
    most_share: float = Field(gt=0, le=1)


class Profile(_Frozen):
    """Everything that decides a simulated number, apart from the requests themselves."""

    name: str
    seed: int = Field(ge=0)
    model: ModelCard
    gpu: Gpu
    loading: Loading
    prefill: Prefill
    decode: Decode
    accidents: Accidents
    early_stops: EarlyStops | None = None
    other_models: tuple[ModelCard, ...] | None = None

    @classmethod
    def load(cls, name_or_path: str | Path) -> Self:
        """Read a profile by its name in `data/simulator/` or by the path of a JSON file."""
        path = Path(name_or_path)
        if path.suffix != ".json":
            path = PROFILE_FOLDER / f"{name_or_path}.json"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in PROFILE_FOLDER.glob("*.json")))
            raise ValueError(
                f"simulator profile {str(name_or_path)!r} not found; use one of: {known}, "
                "or the path of a .json file"
            )
        return cls.model_validate_json(path.read_bytes())

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The models that every server has."""
        return (self.model, *(self.other_models or ()))

    def card(self, name: str) -> ModelCard | None:
        """The model of this name, as Ollama reads names; None if the servers do not have it."""
        return next((card for card in self.cards if same_model(card.name, name)), None)

    def serving(self, models: Sequence[str]) -> Self:
        """The same machine with further models; unchanged if it has them all."""
        missing = {full_name(name): name for name in models if self.card(name) is None}
        more = tuple(resized(self.model, name) for name in missing.values())
        return self.model_copy(update={"other_models": more}) if more else self

    def size(self, name: str) -> float:
        """A model's size as a multiple of the profile's own."""
        card = self.card(name)
        return 1.0 if card is None else card.size_bytes / self.model.size_bytes

    def noise_free(self) -> Self:
        """The same profile with every spread at 0 and no accidents: the truth of the model."""
        quiet: dict[str, object] = _without_spread(self.model_dump())
        quiet["early_stops"] = None
        return type(self).model_validate({**quiet, "name": f"{self.name}, noise-free"})

    @property
    def fingerprint(self) -> str:
        """Identity of the simulated machine: profile and simulator version."""
        canonical = json.dumps(
            self.model_dump(exclude_none=True), sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256((canonical + SIMULATOR_VERSION).encode()).hexdigest()[:16]


_SPREADS = ("sd", "ln_sigma", "work_ln_sigma")


def _without_spread(fields: dict[str, object]) -> dict[str, object]:
    quiet: dict[str, object] = {}
    for key, value in fields.items():
        if isinstance(value, dict):
            quiet[key] = _without_spread(value)
        elif key in _SPREADS or key.endswith("_per_following_call"):
            quiet[key] = 0.0
        else:
            quiet[key] = value
    return quiet
