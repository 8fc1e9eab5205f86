"""What can be asked: every path of the endpoint, and what each becomes at Triton. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tritext_serve.endpoint.model import Deployment, Endpoint

Check = Literal["predict", "infer"]
POST, GET, PAGE = ("POST",), ("GET",), ("GET", "HEAD")
# Names as Triton and KServe have them, shorter than what would be worth sending; no leading dot, no slash.
NAME = "[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}"
MODEL = f"/v2/models/{NAME}(/versions/[0-9]{{1,9}})?"
GRPC_SERVICE = "/inference.GRPCInferenceService/"
GRPC_METHODS = ("ModelInfer", "ServerLive", "ServerReady", "ModelReady", "ModelMetadata")


@dataclass(frozen=True, slots=True)
class Path:
    """One path that Triton answers behind the edge.

    Attributes:
        name: What the access log and metrics call it.
        methods: The HTTP methods that it takes.
        exact: The path itself, or
        pattern: a regular expression of it.
        check: How the body is checked before Triton sees it, if it has one.
        variant: Which of a deployment's models answers: "" for its own, a key of its ``variants``, or None where
            the path itself names the model.
        rewrite: What Triton is asked instead, where no model is meant.
        keyless: Whether it is answered without a key.
        grpc: Whether it is a gRPC method.
    """

    name: str
    methods: tuple[str, ...]
    exact: str = ""
    pattern: str = ""
    check: Check | None = None
    variant: str | None = None
    rewrite: str = ""
    keyless: bool = False
    grpc: bool = False

    @property
    def infers(self) -> bool:
        """Whether it asks for an inference."""
        return self.check is not None or self.name == GRPC_METHODS[0]

    @property
    def match(self) -> dict[str, Any]:
        """The path's part of Envoy's route match."""
        return {"path": self.exact} if self.exact else {"safe_regex": {"regex": self.pattern}}


def paths(endpoint: Endpoint) -> Iterator[Path]:
    """List the endpoint's paths, the most asked first, since Envoy tries them in this order."""
    yield Path("predict", POST, exact="/predict", check="predict", variant="")
    yield Path("infer", POST, pattern=f"{MODEL}/infer", check="infer")
    for method in GRPC_METHODS:
        yield Path(method, POST, exact=GRPC_SERVICE + method, grpc=True)
    yield Path("score", POST, exact="/score", check="predict", variant="")
    for variant in variants(endpoint):
        yield Path(f"predict/{variant}", POST, exact=f"/predict/{variant}", check="predict", variant=variant)
    yield Path("server", GET, exact="/v2")
    yield Path("model", GET, pattern=f"{MODEL}(/ready)?")
    yield Path("ready", GET, exact="/health/ready", rewrite="/v2/health/ready", keyless=True)
    yield Path("ready", GET, exact="/v2/health/ready", keyless=True)
    yield Path("live", GET, exact="/v2/health/live", keyless=True)


def variants(endpoint: Endpoint) -> list[str]:
    """List what may follow ``/predict/``: the variants of any deployment."""
    return sorted({name for deployment in endpoint.deployments.values() for name in deployment.variants})


def target(path: Path, deployment: Deployment) -> str | None:
    """Give what Triton is asked for a path: "" for the path itself, None where the deployment has no such model."""
    if path.variant is None:
        return path.rewrite
    model = deployment.variants.get(path.variant) if path.variant else deployment.model
    return None if model is None else f"/v2/models/{model}/generate"
