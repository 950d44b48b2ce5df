"""What to do about an OpenAI-compatible server that refuses, fails or does not answer."""

from __future__ import annotations

from dualollama_pipeline.core.records import FailureKind
from dualollama_pipeline.transport.failures import ANY_SERVER, Ways

KINDS = "llama-server, vLLM, LM Studio or Ollama"
GONE = "the proxy does not reach its server: is that running?"
WAYS: Ways = {
    **ANY_SERVER,
    401: ANY_SERVER[401] + "; the token is the server's API key",
    404: f"is this an OpenAI-compatible server ({KINDS})? Its URL is what stands before `/v1`",
    500: "read the server's log",
    502: GONE,
    504: GONE,
    FailureKind.MODEL_MISSING: "name a model that the server's /v1/models lists",
    FailureKind.OOM: "free GPU memory, or start the server with fewer layers on the GPU, a smaller "
    "context, or a smaller model or quantization",
    FailureKind.CONNECT: f"is {KINDS} running there? start it, or correct its URL",
    FailureKind.PROTOCOL: f"is this an OpenAI-compatible server ({KINDS})? correct its URL",
}
