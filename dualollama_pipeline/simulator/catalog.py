"""What the servers say about the model they hold: tags, show and ps.

Here: bodies with Ollama's field names, made from the profile's model card and a resident model.
"""

from collections.abc import Iterable, Sequence

from dualollama_pipeline.simulator.lines import rfc3339
from dualollama_pipeline.simulator.profile import BILLIONS, ModelCard
from dualollama_pipeline.simulator.residency import AUTO_NUM_GPU, Resident

_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "gemma3",
    "families": ["gemma3"],
    "quantization_level": "Q4_K_M",
}
_MODIFIED_AT = rfc3339(0)


def tags_body(cards: Sequence[ModelCard]) -> dict[str, object]:
    """The body of GET /api/tags."""
    return {"models": [{**_identity(card), "modified_at": _MODIFIED_AT} for card in cards]}


def show_body(card: ModelCard) -> dict[str, object]:
    """The body of POST /api/show."""
    return {
        "parameters": 'stop                           "<end_of_turn>"',
        "template": "{{ .Prompt }}",
        "details": _details(card),
        "model_info": {
            "general.architecture": "gemma3",
            "gemma3.context_length": card.trained_num_ctx,
            "gemma3.block_count": card.block_count,
        },
        "capabilities": ["completion"],
        "modified_at": _MODIFIED_AT,
    }


def ps_body(
    residents: Iterable[tuple[ModelCard, Resident | None]], now_ns: int
) -> dict[str, object]:
    """The body of GET /api/ps at a virtual instant."""
    return {"models": [_loaded(card, held, now_ns) for card, held in residents if held]}


def _loaded(card: ModelCard, resident: Resident, now_ns: int) -> dict[str, object]:
    # While a call uses the model its clock has not started, so it reads as if it did now.
    expires_ns = resident.expires_ns
    if expires_ns is None:
        expires_ns = now_ns + resident.keep_alive_ns
    return {
        **_identity(card),
        "expires_at": rfc3339(expires_ns),
        "size_vram": _vram_bytes(card, resident.placement.num_gpu),
        "context_length": resident.placement.num_ctx,
    }


def _identity(card: ModelCard) -> dict[str, object]:
    return {
        "name": card.name,
        "model": card.name,
        "size": card.size_bytes,
        "digest": card.digest,
        "details": _details(card),
    }


def _details(card: ModelCard) -> dict[str, object]:
    return {**_DETAILS, "parameter_size": f"{card.billions or BILLIONS:g}B"}


def _vram_bytes(card: ModelCard, num_gpu: int) -> int:
    if num_gpu == AUTO_NUM_GPU:
        return card.size_bytes
    return card.size_bytes * min(num_gpu, card.layer_count) // card.layer_count
