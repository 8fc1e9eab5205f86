"""Requests below the client: what a stranger could send, by HTTP."""

import json
import struct
import urllib.error
import urllib.request
from typing import Any


def post(url: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    """Send bytes; give the status and the JSON answer."""
    request = urllib.request.Request(url, body, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def get(url: str) -> tuple[int, str]:
    """Fetch a page; give the status and the text."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def infer(base: str, model: str, inputs: list[dict[str, Any]], **more: Any) -> tuple[int, dict[str, Any]]:
    """Ask for an inference in KServe's JSON."""
    return post(f"{base}/v2/models/{model}/infer", json.dumps({"inputs": inputs, **more}).encode())


def text_input(*texts: str, **changes: Any) -> dict[str, Any]:
    """The input tensor of some texts."""
    return {"name": "text", "shape": [len(texts), 1], "datatype": "BYTES", "data": list(texts)} | changes


def infer_binary(base: str, model: str, raw: bytes, count: int) -> tuple[int, dict[str, Any]]:
    """Ask with a binary tensor, whose bytes need not be what they should be."""
    parameters = {"binary_data_size": len(raw)}
    tensor = {"name": "text", "shape": [count, 1], "datatype": "BYTES", "parameters": parameters}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": False}}).encode()
    url = f"{base}/v2/models/{model}/infer"
    return post(
        url, head + raw, Inference_Header_Content_Length=str(len(head)), Content_Type="application/octet-stream"
    )


def pack(*texts: bytes) -> bytes:
    """Encode texts as Triton's binary BYTES: each with its length before it, little-endian."""
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def output(answer: dict[str, Any], name: str) -> list[Any]:
    """One output's data."""
    return next(tensor["data"] for tensor in answer["outputs"] if tensor["name"] == name)
