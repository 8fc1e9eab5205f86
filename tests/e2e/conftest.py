"""What the tests of whole servers share with those of the endpoint: a real Triton behind a real Envoy."""

from tests.serve.endpoint.conftest import edge_endpoint, health

__all__ = ["edge_endpoint", "health"]
