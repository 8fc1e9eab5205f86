"""What an endpoint is: the vocabulary that the files, the edge and the supervisor share. Pure, no I/O.

Names and defaults are those of Azure ML's managed online endpoints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Access = Literal["enabled", "disabled"]
IsolationMode = Literal["disabled", "allow_internet_outbound", "allow_only_approved_outbound"]
RuleKind = Literal["fqdn", "service_tag", "private_endpoint"]


@dataclass(frozen=True, slots=True)
class Probe:
    """When a deployment counts as well or ill.

    Attributes:
        initial_delay: Seconds until the first probe.
        period: Seconds between probes.
        timeout: Seconds that an answer may take.
        success_threshold: Good answers in a row until it is well.
        failure_threshold: Bad answers in a row until it is ill.
    """

    initial_delay: int = 10
    period: int = 10
    timeout: int = 2
    success_threshold: int = 1
    failure_threshold: int = 30


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """How much a deployment takes at once, and for how long.

    Attributes:
        request_timeout_ms: Milliseconds until an unanswered request gets 408.
        max_concurrent_requests_per_instance: Twice as many an instance may be in flight, more get 429. None where
            the file is silent: then the front's own queue decides.
    """

    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One version of the model behind an endpoint.

    Attributes:
        name: What traffic maps and targeting headers call it.
        endpoint_name: Its endpoint.
        repository: The Triton model repository that it serves.
        model: The front that ``/predict`` asks.
        instance_count: Tritons that serve it.
        request_settings: Its limits.
        liveness: When Azure would restart it; here its canary decides.
        readiness: When Azure would give it traffic; likewise.
        egress: Whether it may connect anywhere at all.
        variants: Model names by what stands behind ``/predict/``, such as ``naive``.
    """

    name: str
    endpoint_name: str
    repository: Path
    model: str
    instance_count: int = 1
    request_settings: RequestSettings = RequestSettings()
    liveness: Probe = Probe()
    readiness: Probe = Probe()
    egress: Access = "enabled"
    variants: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboundRule:
    """Where a deployment may connect to, although nothing is allowed.

    Attributes:
        name: The rule's name.
        kind: How ``destination`` is meant.
        destination: A host name, possibly with a leading ``*.``; a service tag; or a private endpoint's resource.
        ports: TCP ports.
        address: The private address behind a private endpoint, where the file gives one.
    """

    name: str
    kind: RuleKind
    destination: str
    ports: tuple[int, ...] = (443,)
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """What may leave the deployments.

    Attributes:
        isolation_mode: As in a workspace's ``managed_network``.
        outbound_rules: The exceptions.
    """

    isolation_mode: IsolationMode = "disabled"
    outbound_rules: tuple[OutboundRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One name in front of deployments.

    Attributes:
        name: The endpoint's name.
        public_network_access: Whether the public listener exists.
        traffic: Per cent by deployment; all missing or zero: only targeted requests are answered.
        mirror_traffic: Per cent of the live requests that one other deployment gets a copy of.
        deployments: By name.
        network: What may leave.
    """

    name: str
    public_network_access: Access = "enabled"
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror_traffic: Mapping[str, int] = field(default_factory=dict)
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    network: Network = Network()


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where one instance of a deployment answers.

    Attributes:
        deployment: Its deployment's name.
        host: An address that the edge reaches.
        http: Port of Triton's HTTP API.
        grpc: Port of Triton's gRPC API.
        health_host: Where the supervisor says whether the instance answers its canary; None for ``host``.
        health: Port of that; ``GET /health/NAME/NUMBER`` is 200 or 503.
        number: Which instance, from 0.
    """

    deployment: str
    host: str
    http: int
    grpc: int
    health: int
    health_host: str | None = None
    number: int = 0
