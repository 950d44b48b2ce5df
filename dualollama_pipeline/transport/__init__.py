"""The measuring HTTP transport, and what it does to httpx."""

import sys

# httpx imports its command line where rich and click are installed: 90 ms of every worker.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
