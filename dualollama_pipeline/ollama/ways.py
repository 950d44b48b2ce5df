"""What to do about an Ollama server that refuses, fails or does not answer."""

from __future__ import annotations

from dualollama_pipeline.core.records import FailureKind
from dualollama_pipeline.transport.failures import ANY_SERVER, Ways

GONE = "the proxy does not reach its server: is `ollama serve` running?"
WAYS: Ways = {
    **ANY_SERVER,
    403: ANY_SERVER[401] + "; without a proxy, OLLAMA_HOST and OLLAMA_ORIGINS decide whose "
    "requests a server takes",
    404: "is this an Ollama server, and does it have the model (`ollama list`, `ollama pull`)? The "
    "URL may need the path that a proxy adds",
    500: "read the server's log (`ollama serve` prints it)",
    502: GONE,
    504: GONE,
    FailureKind.MODEL_MISSING: "`ollama pull` the model on that server, or name another",
    FailureKind.OOM: "free GPU memory (`ollama ps`, `ollama stop`), lower num_gpu or num_ctx, or "
    "use a smaller model or quantization",
    FailureKind.CONNECT: "is `ollama serve` running there? start it, or correct its URL",
    FailureKind.PROTOCOL: "is this an Ollama server? correct its URL",
}
