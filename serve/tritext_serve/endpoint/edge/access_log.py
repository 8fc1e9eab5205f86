"""One JSON line a request: who, what, where, how long and why not. Never a key, a query or a text. Pure."""

from typing import Any

from tritext_serve.endpoint.edge.clusters import TYPE
from tritext_serve.endpoint.edge.model import Edge

FIELDS: dict[str, str] = {
    "time": "%START_TIME%",
    "request_id": "%REQ(x-request-id)%",
    "client": "%REQ(x-tritext-client)%",
    "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "protocol": "%PROTOCOL%",
    "method": "%REQ(:method):16%",
    "path": "%PATH(NQ:ORIG_OR_PATH):200%",
    "route": "%ROUTE_NAME%",
    "deployment": "%RESP(azureml-model-deployment)%",
    "upstream": "%UPSTREAM_HOST%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS_NUMBER%",
    "error": "%RESP(x-error-code)%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration_ms": "%DURATION%",
    "upstream_ms": "%COMMON_DURATION(US_TX_END:US_RX_BEG:ms)%",
    "trace_id": "%TRACE_ID%",
}


def access_log(edge: Edge) -> list[dict[str, Any]]:
    """Describe the log."""
    if edge.log_path in ("/dev/stdout", "/dev/stderr") or edge.log_path.startswith("/"):
        path = edge.log_path
    else:
        path = f"{edge.directory}/{edge.log_path}"
    config = {
        "@type": TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path,
        "log_format": {"json_format": FIELDS},
    }
    return [{"name": "envoy.access_loggers.file", "typed_config": config}]
