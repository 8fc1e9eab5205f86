"""What schemas cannot see: manifests that Kubernetes takes and that would not serve, or not safely.

Each rule is a function of all manifests together and yields a line for each mistake, ``Kind/name: reason``.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.deploy.k8s.schemas import Manifest

DRAWN = ("Deployment", "StatefulSet", "DaemonSet", "ClusterServingRuntime")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
TAGS_THAT_MOVE = ("", "latest", "main", "nightly")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SECRET_WORDS = ("KEY", "SECRET", "PASSWORD", "TOKEN", "SAS")


def mistakes(manifests: Sequence[Manifest]) -> list[str]:
    """List every rule's lines."""
    return [line for rule in RULES for line in rule(manifests)]


def label(manifest: Manifest) -> str:
    """Name a manifest."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def of(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """Keep some kinds."""
    return [each for each in manifests if each["kind"] in kinds]


def pod(manifest: Manifest) -> dict[str, Any]:
    """Give the pod's specification of a workload."""
    spec: dict[str, Any] = manifest["spec"]
    return spec if manifest["kind"] == "ClusterServingRuntime" else spec["template"]["spec"]


def labels(manifest: Manifest) -> dict[str, str]:
    """Give the labels of a workload's pods."""
    found: dict[str, str] = manifest["spec"].get("template", {}).get("metadata", {}).get("labels", {})
    return found


def containers(manifest: Manifest) -> list[dict[str, Any]]:
    """Give all containers of a workload, those that run before the others too."""
    spec = pod(manifest)
    return [*spec.get("initContainers", []), *spec["containers"]]


def chosen(selector: dict[str, Any], found: dict[str, str]) -> bool:
    """Tell whether a selector of either form takes these labels."""
    wanted = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
    exact = all(found.get(name) == value for name, value in wanted.items())
    return exact and all(_meets(each, found) for each in selector.get("matchExpressions", []))


def _meets(expression: dict[str, Any], found: dict[str, str]) -> bool:
    value = found.get(expression["key"])
    return {
        "In": value in expression.get("values", []),
        "NotIn": value not in expression.get("values", []),
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


def _held(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Nobody is root, may become it, may write its files or call what the kernel offers beyond the usual."""
    for each in of(manifests, *DRAWN):
        around = pod(each).get("securityContext", {})
        for container in containers(each):
            own = around | container.get("securityContext", {})
            where = f"{label(each)}: container {container['name']}"
            wanted = {"runAsNonRoot": True, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
            for field, value in wanted.items():
                if own.get(field) is not value:
                    yield f"{where}: {field} is not {str(value).lower()}"
            if own.get("runAsUser", 0) == 0:
                yield f"{where}: runAsUser is root or not said"
            if own.get("capabilities", {}).get("drop") != ["ALL"] or own.get("capabilities", {}).get("add"):
                yield f"{where}: not all capabilities are dropped"
            if own.get("seccompProfile", {}).get("type") != "RuntimeDefault":
                yield f"{where}: seccompProfile is not RuntimeDefault"


def _apart(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Pods share nothing with their node and hold no token of the cluster's API."""
    for each in of(manifests, *DRAWN):
        spec = pod(each)
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(field):
                yield f"{label(each)}: {field}: the node's own is open to it"
        for volume in spec.get("volumes", []):
            if "hostPath" in volume:
                yield f"{label(each)}: volume {volume['name']}: hostPath gives it the node's files"
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                yield f"{label(each)}: volume {volume['name']}: no sizeLimit, so that it may fill the node"
        if each["kind"] != "ClusterServingRuntime" and spec.get("automountServiceAccountToken") is not False:
            yield f"{label(each)}: automountServiceAccountToken is not false"


def _bounded(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Who has no memory limit takes its neighbours'; who requests no CPU cannot be scaled by it."""
    for each in of(manifests, *DRAWN):
        for container in containers(each):
            resources = container.get("resources", {})
            for kind, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
                if name not in resources.get(kind, {}):
                    yield f"{label(each)}: container {container['name']}: no resources.{kind}.{name}"


def _pinned(manifests: Sequence[Manifest]) -> Iterator[str]:
    """An image says which one: a digest, or a tag that does not stand for whatever is newest."""
    for each in of(manifests, *DRAWN):
        for container in containers(each):
            name, at, digest = container["image"].partition("@")
            tag = name.rpartition("/")[2].partition(":")[2]
            if not DIGEST.fullmatch(digest) if at else tag in TAGS_THAT_MOVE:
                yield f"{label(each)}: image {container['image']}: name a tag that stays, or a digest"


def _probed(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A Triton is asked for an inference, since its own readiness says nothing of a dead backend."""
    for each in of(manifests, "Deployment"):
        for container in pod(each)["containers"]:
            if "readinessProbe" not in container or "livenessProbe" not in container:
                yield f"{label(each)}: container {container['name']}: no readiness or no liveness probe"
            asked = [container[name].get("exec") for name in PROBES if name in container]
            if container["name"] == "triton" and (len(asked) < len(PROBES) or not all(asked)):
                yield f"{label(each)}: a Triton's three probes must run the canary (exec)"


def _drained(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A pod serves until nobody sends to it any more, and then has time to finish."""
    for each in of(manifests, "Deployment"):
        grace = pod(each).get("terminationGracePeriodSeconds", 30)
        for container in pod(each)["containers"]:
            sleep = _sleep(container.get("lifecycle", {}).get("preStop", {}))
            if not 10 <= sleep < grace - 20:
                yield f"{label(each)}: container {container['name']}: preStop sleeps {sleep} s of {grace} s of grace"


def _sleep(hook: dict[str, Any]) -> int:
    """Read how long a hook waits: its own word, or the last one of the command that ends with `sleep "$0"`."""
    *script, last = hook.get("exec", {}).get("command", [""])
    if script and script[-1].rstrip().endswith('sleep "$0"'):
        return int(last)
    return int(hook.get("sleep", {}).get("seconds", 0))


def _mounted(manifests: Sequence[Manifest]) -> Iterator[str]:
    """What is mounted exists, and what it is made of too; secrets are made by hand and are no manifests."""
    known = {each["metadata"]["name"] for each in of(manifests, "ConfigMap")}
    for each in of(manifests, "Deployment"):
        spec = pod(each)
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for container in containers(each):
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{label(each)}: container {container['name']} mounts {mount['name']}, which is no volume"
            named = [source["configMapRef"]["name"] for source in container.get("envFrom", [])]
            yield from (f"{label(each)}: no ConfigMap {name}" for name in named if name not in known)
        sources = [*volumes.values(), *(s for v in volumes.values() for s in v.get("projected", {}).get("sources", []))]
        named = [source["configMap"]["name"] for source in sources if "configMap" in source]
        yield from (f"{label(each)}: no ConfigMap {name}" for name in named if name not in known)


def _wired(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A Service, a budget or a policy that chooses no pod protects and reaches nobody."""
    pods = [labels(each) for each in of(manifests, "Deployment")]
    for each in of(manifests, "Service", "PodDisruptionBudget", "NetworkPolicy"):
        field = "podSelector" if each["kind"] == "NetworkPolicy" else "selector"
        if not any(chosen(each["spec"].get(field, {}), found) for found in pods):
            yield f"{label(each)}: chooses no pod"
    for each in of(manifests, "Deployment"):
        if not chosen(each["spec"]["selector"], labels(each)):
            yield f"{label(each)}: its selector does not choose its own pods"
    for each in of(manifests, "Service"):
        if _serves_grpc(each) and each["spec"].get("clusterIP") != "None":
            yield f"{label(each)}: gRPC behind one address is balanced once a connection: clusterIP must be None"


def _serves_grpc(service: Manifest) -> bool:
    return any(port.get("appProtocol") == "kubernetes.io/h2c" for port in service["spec"]["ports"])


def _scaled(manifests: Sequence[Manifest]) -> Iterator[str]:
    """An autoscaler has a target, room, a floor of two, and its number to itself."""
    deployments = {each["metadata"]["name"]: each for each in of(manifests, "Deployment")}
    for each in of(manifests, "HorizontalPodAutoscaler"):
        spec, target = each["spec"], each["spec"]["scaleTargetRef"]["name"]
        least = spec.get("minReplicas", 1)
        if target not in deployments:
            yield f"{label(each)}: there is no Deployment {target}"
        elif "replicas" in deployments[target]["spec"]:
            yield f"{label(each)}: Deployment/{target} says replicas too: each apply would undo the scaling"
        if least < 2:
            yield f"{label(each)}: minReplicas {least}: the one pod is the outage"
        if least > spec["maxReplicas"]:
            yield f"{label(each)}: minReplicas {least} is more than maxReplicas {spec['maxReplicas']}"


def _movable(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A budget that never lets a pod go keeps its node from being drained."""
    for each in of(manifests, "PodDisruptionBudget"):
        if each["spec"].get("maxUnavailable") in (0, "0%") or each["spec"].get("minAvailable") == "100%":
            yield f"{label(each)}: no pod may ever be moved"


def _untold(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A secret's value stands in no manifest."""
    for each in of(manifests, *DRAWN):
        for container in containers(each):
            for variable in container.get("env", []):
                if "value" in variable and any(word in variable["name"].upper() for word in SECRET_WORDS):
                    yield f"{label(each)}: {variable['name']}: its value is in the manifest: use a Secret"


def _walled(manifests: Sequence[Manifest]) -> Iterator[str]:
    """What no policy allows is refused, both ways."""
    shut = [
        each
        for each in of(manifests, "NetworkPolicy")
        if each["spec"]["podSelector"] == {}
        and sorted(each["spec"].get("policyTypes", [])) == ["Egress", "Ingress"]
        and not each["spec"].get("ingress")
        and not each["spec"].get("egress")
    ]
    if of(manifests, "Deployment") and not shut:
        yield "NetworkPolicy: none that refuses everything by default, in and out"


RULES = (
    _held, _apart, _bounded, _pinned, _probed, _drained, _mounted, _wired, _scaled, _movable, _untold, _walled,
)  # fmt: skip
