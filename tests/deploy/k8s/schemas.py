"""A manifest in, what is wrong with its shape out: Kubernetes' own schemas, strictly, and those of four custom ones."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from referencing import Registry

KUBERNETES = "1.37"
FOLDER = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
CRDS = Path(__file__).with_name("crds.yaml")
Manifest = dict[str, Any]


def problems(manifest: Manifest) -> list[str]:
    """List what is wrong, as ``path: reason``."""
    kind = f"{manifest.get('apiVersion')}/{manifest.get('kind')}"
    if kind in _custom():
        found = sorted(_validator(kind).iter_errors(manifest), key=lambda error: list(map(str, error.path)))
        return [_line(error) for error in found]
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return [f"kind: Kubernetes {KUBERNETES} has no {kind}"]
    except jsonschema.ValidationError as error:
        return [_line(error)]
    return []


def _line(error: jsonschema.ValidationError) -> str:
    return f"{'.'.join(map(str, error.path))}: {error.message}"


@cache
def _custom() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(CRDS.read_text(encoding="utf-8"))
    return found


@cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    """Put the part that is ours into the frame of every object."""
    spec = {"type": "object", "additionalProperties": False} | _resolved(_custom()[kind])
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": spec,
    }
    frame = {"type": "object", "required": list(properties), "additionalProperties": False, "properties": properties}
    registry: Registry[Any] = Registry().with_contents([(_definitions()["$id"], _definitions())])
    return jsonschema.Draft202012Validator(frame, registry=registry)


@cache
def _definitions() -> dict[str, Any]:
    file = FOLDER / f"v{KUBERNETES}.0-local-strict" / "_definitions.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _resolved(schema: Any) -> Any:
    """Refer to Kubernetes' definitions where they are named."""
    if isinstance(schema, list):
        return [_resolved(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if set(schema) == {"kubernetes"}:
        return {"$ref": f"{_definitions()['$id']}#/$defs/{schema['kubernetes']}"}
    return {name: _resolved(value) for name, value in schema.items()}
