"""The Lua that Envoy runs: the table of refusals and the limits, then the files under ``lua/``."""

import json
from functools import cache

from tritext_serve.endpoint.edge.clusters import LUA
from tritext_serve.endpoint.edge.model import Limits
from tritext_serve.endpoint.edge.refusals import BY_GRPC, BY_STATUS, ERROR_HEADER, REFUSALS, RETRY_SECONDS, SAID, body

DEPTH, INPUTS, OUTPUTS = 32, 8, 64
# Triton closes the connection on a line of more than 8 KiB in a request's head.
HEADER_BYTES = 8000
MESSAGE_BYTES = 4096
# What a request may say beside its texts (docs/serving.md).
LONG_TEXTS = ("long_texts", "window_stride", "window_pooling", "background")
# Of KServe's parameters: no shared memory, no sequences, nothing that Triton reserves for itself.
TRITONS = ("timeout", "priority", "classification", "binary_data", "binary_data_size", "binary_data_output")
WHOLE = ("timeout", "priority", "classification", "binary_data_size")
BOOLEAN = ("binary_data", "binary_data_output")
KEYS = {
    "PREDICT_KEYS": ("the body", ("text", "text_pair", *LONG_TEXTS)),
    "PARAMETERS": ("parameters", (*LONG_TEXTS, *TRITONS)),
    "INFER_KEYS": ("the body", ("id", "parameters", "inputs", "outputs")),
    "INPUT_KEYS": ("an input", ("name", "shape", "datatype", "parameters", "data")),
    "OUTPUT_KEYS": ("an output", ("name", "parameters")),
}

Value = str | int | bool | dict[str, "Value"] | list["Value"]


def script(limits: Limits) -> str:
    """Compose the whole script."""
    tables: dict[str, Value] = {
        "ERROR_HEADER": ERROR_HEADER,
        "LIMITS": {
            "depth": DEPTH,
            "inputs": INPUTS,
            "outputs": OUTPUTS,
            "batch_texts": limits.batch_texts,
            "header_bytes": HEADER_BYTES,
        },
        "REFUSALS": {code: _refusal(code) for code in REFUSALS},
        "SAID": [{"pattern": said.pattern, "code": said.code, "quoted": said.quoted} for said in SAID],
        "BY_STATUS": {str(status): code for status, code in BY_STATUS.items()},
        "BY_GRPC": {str(status): code for status, code in BY_GRPC.items()},
        "MESSAGE_BYTES": MESSAGE_BYTES,
    }
    for name, (what, keys) in KEYS.items():
        tables |= {name: dict.fromkeys(keys, True), f"{name}_ARE": f"{what} may have: {', '.join(keys)}"}
    for name, what, keys in (("WHOLE", "whole numbers", WHOLE), ("BOOLEAN", "booleans", BOOLEAN)):
        tables |= {name: dict.fromkeys(keys, True), f"{name}_ARE": f"{what} must be: {', '.join(keys)}"}
    head = "".join(f"local {name} = {lua(value)}\n" for name, value in tables.items())
    modules = "".join(f"local {name} = (function()\n{_read(name)}end)()\n" for name in ("json", "tensors", "checks"))
    return head + modules + _read("filter")


def lua(value: Value) -> str:
    """Write a value as Lua does.

    Example:
        >>> lua({"a": [1, True, "b"]})
        '{["a"] = {1, true, "b"}}'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{lua(key)}] = {lua(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(lua, value)) + "}"
    return json.dumps(value)


def _refusal(code: str) -> dict[str, Value]:
    refusal = REFUSALS[code]
    retry: dict[str, Value] = {"retry": str(RETRY_SECONDS)} if refusal.retry else {}
    return retry | {
        "status": str(refusal.status),
        "grpc": str(refusal.grpc),
        "message": refusal.message,
        "body": json.dumps(body(code)),
    }


@cache
def _read(name: str) -> str:
    return (LUA / f"{name}.lua").read_text(encoding="utf-8")
