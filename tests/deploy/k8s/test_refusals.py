"""Wrong manifests, each one change away from ours, and each refused with the reason: by a schema or by our rules."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from tests.deploy.k8s import rules
from tests.deploy.k8s.schemas import Manifest, problems

GONE = object()
TRITON, HPA = "Deployment/blue-triton", "HorizontalPodAutoscaler/blue-triton"
POD = "spec.template.spec"
FIRST = f"{POD}.containers.0"

# Overlay, whose field, which, what instead, and the reason.
WRONG_SHAPES = [
    ("cpu", TRITON, f"{FIRST}.readinesProbe", {}, "'readinesProbe' was unexpected"),
    ("cpu", TRITON, f"{FIRST}.ports.0.containerPort", "8000", "'8000' is not of type 'integer'"),
    ("cpu", TRITON, "apiVersion", "extensions/v1beta1", "has no extensions/v1beta1/Deployment"),
    ("cpu", HPA, "apiVersion", "autoscaling/v2beta2", "has no autoscaling/v2beta2/HorizontalPodAutoscaler"),
    ("cpu", HPA, "spec.maxReplicas", GONE, "'maxReplicas' is a required property"),
    ("cpu", HPA, "spec.metrics.0.pods.target.averageUtilisation", 70, "'averageUtilisation' was unexpected"),
    ("cpu", "PodDisruptionBudget/blue-triton", "apiVersion", "policy/v1beta1", "has no policy/v1beta1/"),
    ("cpu", "NetworkPolicy/triton", "spec.podselector", {}, "'podselector' was unexpected"),
    ("cpu", "NetworkPolicy/egress", "spec.egress.1.to.0.ipBlock.cidr", GONE, "'cidr' is a required property"),
    ("cpu", "Service/blue-triton", "spec.ports.0.port", GONE, "'port' is a required property"),
    ("kserve", "ClusterServingRuntime/tritext-cpu", "spec.supportedModelFormats", GONE, "is a required property"),
    (
        "kserve",
        "ClusterServingRuntime/tritext-cpu",
        "spec.containers.0.volumeMount",
        [],
        "'volumeMount' was unexpected",
    ),
    ("kserve", "ClusterServingRuntime/tritext-cpu", "spec.protocolVersions.0", "v3", "'v3' is not one of"),
    ("kserve", "InferenceService/sentiment", "spec.predictor.model.modelformat", {}, "'modelformat' was unexpected"),
    ("kserve", "InferenceService/sentiment", "spec.predictor.minReplicas", "2", "'2' is not of type 'integer'"),
    ("keda", "ScaledObject/blue-triton", "spec.triggers", [], "[] should be non-empty"),
    ("keda", "ScaledObject/blue-triton", "spec.triggers.0.metadata.threshold", 0.05, "0.05 is not of type 'string'"),
    ("keda", "ScaledObject/blue-triton", "spec.scaleTargetRef.name", GONE, "'name' is a required property"),
    ("full", "ServiceMonitor/triton", "spec.endpoints.0.interval", "15", "'15' does not match"),
    ("full", "ServiceMonitor/triton", "spec.endpoints.0.relabelings.0.sourceLabels.0", "a.b", "'a.b' does not match"),
]
BROKEN_RULES = [
    ("cpu", TRITON, f"{FIRST}.image", "registry.example/tritext:latest", "name a tag that stays, or a digest"),
    ("cpu", TRITON, f"{FIRST}.image", "registry.example:5000/tritext", "name a tag that stays, or a digest"),
    ("cpu", TRITON, f"{POD}.securityContext.runAsUser", 0, "runAsUser is root"),
    ("cpu", TRITON, f"{POD}.securityContext.runAsNonRoot", GONE, "runAsNonRoot is not true"),
    ("cpu", TRITON, f"{POD}.securityContext.seccompProfile", {"type": "Unconfined"}, "seccompProfile"),
    ("cpu", TRITON, f"{FIRST}.securityContext.readOnlyRootFilesystem", False, "readOnlyRootFilesystem is not true"),
    ("cpu", TRITON, f"{FIRST}.securityContext.allowPrivilegeEscalation", GONE, "allowPrivilegeEscalation is not false"),
    ("cpu", TRITON, f"{FIRST}.securityContext.capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "capabilities"),
    ("cpu", TRITON, f"{POD}.initContainers.0.securityContext", {}, "container fetch: readOnlyRootFilesystem"),
    ("cpu", TRITON, f"{POD}.hostNetwork", True, "hostNetwork: the node's own"),
    ("cpu", TRITON, f"{POD}.volumes.0", {"name": "repository", "hostPath": {"path": "/"}}, "hostPath gives it"),
    ("cpu", TRITON, f"{POD}.volumes.0.emptyDir", {}, "no sizeLimit"),
    ("cpu", TRITON, f"{POD}.automountServiceAccountToken", GONE, "automountServiceAccountToken is not false"),
    ("cpu", TRITON, f"{FIRST}.resources.limits.memory", GONE, "no resources.limits.memory"),
    ("cpu", TRITON, f"{FIRST}.resources.requests.cpu", GONE, "no resources.requests.cpu"),
    ("cpu", TRITON, f"{FIRST}.readinessProbe", {"tcpSocket": {"port": 8000}}, "canary (exec)"),
    ("cpu", TRITON, f"{FIRST}.startupProbe", GONE, "three probes must run the canary"),
    ("cpu", "Deployment/ingress", f"{FIRST}.livenessProbe", GONE, "no readiness or no liveness probe"),
    ("cpu", TRITON, f"{POD}.terminationGracePeriodSeconds", 40, "preStop sleeps 35 s of 40 s"),
    ("cpu", TRITON, f"{FIRST}.lifecycle", GONE, "preStop sleeps 0 s"),
    ("cpu", "Deployment/ingress", f"{FIRST}.lifecycle.preStop.exec.command.3", "50", "preStop sleeps 50 s of 60 s"),
    ("cpu", TRITON, f"{FIRST}.volumeMounts.0.name", "models", "mounts models, which is no volume"),
    ("cpu", TRITON, f"{FIRST}.envFrom.0.configMapRef.name", "model", "no ConfigMap model"),
    ("cpu", TRITON, f"{FIRST}.env.0", {"name": "AZURE_CLIENT_SECRET", "value": "x"}, "use a Secret"),
    ("cpu", TRITON, "spec.replicas", 3, "each apply would undo the scaling"),
    ("cpu", TRITON, "spec.template.metadata.labels", {"app": "x"}, "its selector does not choose its own pods"),
    ("cpu", "Service/blue-triton", "spec.clusterIP", GONE, "balanced once a connection"),
    ("cpu", "Service/ingress", "spec.selector", {"app": "envoy"}, "Service/ingress: chooses no pod"),
    ("cpu", "NetworkPolicy/triton", "spec.podSelector", {"matchLabels": {"app": "triton"}}, "chooses no pod"),
    ("cpu", "NetworkPolicy/nothing", "spec.policyTypes", ["Ingress"], "none that refuses everything by default"),
    ("cpu", HPA, "spec.scaleTargetRef.name", "triton", "there is no Deployment triton"),
    ("cpu", HPA, "spec.minReplicas", 1, "the one pod is the outage"),
    ("cpu", HPA, "spec.maxReplicas", 1, "is more than maxReplicas 1"),
    ("cpu", "PodDisruptionBudget/blue-triton", "spec.maxUnavailable", 0, "no pod may ever be moved"),
    ("gpu", TRITON, f"{FIRST}.image", "registry.example/tritext@sha255:0", "name a tag that stays, or a digest"),
]  # fmt: skip


def changed(manifests: list[Manifest], name: str, path: str, value: Any) -> list[Manifest]:
    """Copy manifests with one field of one of them changed or taken out."""
    copied = copy.deepcopy(manifests)
    *way, last = path.split(".")
    place: Any = next(each for each in copied if rules.label(each) == name)
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    key: Any = int(last) if isinstance(place, list) else last
    if value is GONE:
        del place[key]
    else:
        place[key] = value
    return copied


def identity(case: tuple[str, str, str, Any, str]) -> str:
    return f"{case[1].split('/')[0]}-{case[2].split('.')[-1]}-{case[4][:24]}"


@pytest.mark.parametrize("case", WRONG_SHAPES, ids=identity)
def test_a_wrong_shape_is_refused_by_the_schemas(
    built: Mapping[str, list[Manifest]], case: tuple[str, str, str, Any, str]
) -> None:
    overlay, name, path, value, reason = case
    manifests = changed(built[overlay], name, path, value)
    said = [line for each in manifests if each not in built[overlay] for line in problems(each)]
    assert any(reason in line for line in said), said


@pytest.mark.parametrize("case", BROKEN_RULES, ids=identity)
def test_what_the_schemas_take_and_would_not_serve_is_refused_by_our_rules(
    built: Mapping[str, list[Manifest]], case: tuple[str, str, str, Any, str]
) -> None:
    overlay, name, path, value, reason = case
    manifests = changed(built[overlay], name, path, value)
    said = rules.mistakes(manifests)
    assert any(reason in line for line in said), said
    assert [line for each in manifests if each not in built[overlay] for line in problems(each)] == []
