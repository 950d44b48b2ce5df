"""The JSON schema of summary.json, from the model that writes it: docs/summary.schema.json.

`python -m dualollama_pipeline.report.schema` prints it.
"""

from __future__ import annotations

import json
import sys

from dualollama_pipeline.report.model import SCHEMA_VERSION, Summary


def json_schema() -> str:
    """Return the schema of this version as JSON text (draft 2020-12, as pydantic writes it)."""
    schema = Summary.model_json_schema(mode="serialization")
    named = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"summary.json, schema_version {SCHEMA_VERSION}; generated, do not edit",
    }
    return json.dumps(named | schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(json_schema())
