"""Every overlay is what Kubernetes 1.37 and the custom resources' own definitions take, and keeps our rules."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import promql_parser
import pytest
import yaml

from tests.deploy.k8s import kustomized, rules
from tests.deploy.k8s.schemas import Manifest, problems

OVERLAYS = ("cpu", "gpu", "full", "keda", "kserve")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_what_the_schemas_take(built: Mapping[str, list[Manifest]], overlay: str) -> None:
    wrong = {rules.label(each): problems(each) for each in built[overlay]}
    assert {name: found for name, found in wrong.items() if found} == {}
    assert len(wrong) >= 2


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_keeps_our_rules(built: Mapping[str, list[Manifest]], overlay: str) -> None:
    assert rules.mistakes(built[overlay]) == []


def test_a_gpu_is_asked_for_by_the_gpu_overlay_alone(built: Mapping[str, list[Manifest]]) -> None:
    limits = {
        name: [c["resources"]["limits"] for each in rules.of(built[name], "Deployment") for c in rules.containers(each)]
        for name in ("cpu", "gpu")
    }
    assert [("nvidia.com/gpu" in each) for each in limits["gpu"]].count(True) == 1
    assert not any("nvidia.com/gpu" in each for each in limits["cpu"])


def test_the_egress_is_there_before_who_finds_it_in_the_environment(built: Mapping[str, list[Manifest]]) -> None:
    names = [rules.label(each) for each in built["full"]]
    assert names.index("Service/egress") < min(names.index(f"Deployment/{n}-triton") for n in ("blue", "green"))
    egress = next(each for each in built["full"] if rules.label(each) == "Service/egress")
    assert egress["spec"]["ports"][0]["name"] == "proxy"
    assert egress["spec"].get("clusterIP") != "None"  # else there is no such variable


def test_blue_and_green_share_no_selector(built: Mapping[str, list[Manifest]]) -> None:
    manifests = built["full"]
    blue, green = (
        next(each for each in manifests if rules.label(each) == f"Deployment/{name}-triton")
        for name in ("blue", "green")
    )
    assert not rules.chosen(blue["spec"]["selector"], rules.labels(green))
    chosen = [
        {
            name
            for name, each in (("blue", blue), ("green", green))
            if rules.chosen(service["spec"]["selector"], rules.labels(each))
        }
        for service in rules.of(manifests, "Service")
    ]
    assert chosen.count({"blue"}) == chosen.count({"green"}) == 1
    assert {"blue", "green"} not in chosen


def test_keda_takes_the_autoscalers_place_and_asks_for_the_same(built: Mapping[str, list[Manifest]]) -> None:
    scaled = next(each for each in built["keda"] if each["kind"] == "ScaledObject")
    assert [each["metadata"]["name"] for each in rules.of(built["keda"], "HorizontalPodAutoscaler")] == ["ingress"]
    usual = next(each for each in built["cpu"] if rules.label(each) == "HorizontalPodAutoscaler/blue-triton")["spec"]
    own = scaled["spec"]
    assert own["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == usual["behavior"]
    assert (own["minReplicaCount"], own["maxReplicaCount"]) == (usual["minReplicas"], usual["maxReplicas"])
    assert own["triggers"][0]["metadata"]["threshold"] == "0.01"
    assert usual["metrics"][0]["pods"]["target"]["averageValue"] == "10m"


def test_what_push_has_written_pins_every_image_of_ours(tree: Path) -> None:
    digests = {"tritext-fetch": "1" * 64, "tritext": "2" * 64}
    lines = [f"  - {{name: {n}, newName: films.example/tritext, digest: 'sha256:{d}'}}" for n, d in digests.items()]
    pinned = tree / "pinned"
    pinned.mkdir()
    head = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages:\n"
    (pinned / "kustomization.yaml").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    text = "resources: [../../base]\ncomponents: [../../pinned, ../../components/gpu]\n"
    manifests = kustomized.build(kustomized.overlay(tree, "pinned", text))
    found = {c["name"]: c["image"] for each in rules.of(manifests, "Deployment") for c in rules.containers(each)}
    assert found == {
        "fetch": f"films.example/tritext@sha256:{digests['tritext-fetch']}",
        "triton": f"films.example/tritext@sha256:{digests['tritext']}",
        "envoy": "envoyproxy/envoy:v1.40.0",
    }
    assert rules.mistakes(manifests) == []


def test_an_overlay_says_what_is_served(tree: Path) -> None:
    text = (
        "namespace: tritext\nresources: [../../base]\ncomponents: [../../components/cpu]\n"
        "configMapGenerator:\n  - {name: blue-model, behavior: merge, literals: [TRITEXT_REPOSITORY=s3://films/of-may]}\n"
    )
    manifests = kustomized.build(kustomized.overlay(tree, "mine", text))
    (given,) = [each for each in rules.of(manifests, "ConfigMap") if each["metadata"]["name"].startswith("blue-model")]
    assert given["data"] == {"TRITEXT_REPOSITORY": "s3://films/of-may", "TRITEXT_MODEL": "sentiment"}
    assert rules.mistakes(manifests) == []


def test_what_prometheus_is_asked_can_be_asked(built: Mapping[str, list[Manifest]]) -> None:
    adapter = yaml.safe_load((kustomized.TREE / "adapter/values.yaml").read_text(encoding="utf-8"))["rules"]["custom"]
    given = {"<<.GroupBy>>": "pod", "<<.LabelMatchers>>": 'namespace="tritext"'}
    asked = [functools.reduce(lambda t, m: t.replace(*m), given.items(), rule["metricsQuery"]) for rule in adapter]
    asked += [rule["seriesQuery"] for rule in adapter]
    (scaled,) = [each for each in built["keda"] if each["kind"] == "ScaledObject"]
    asked.append(scaled["spec"]["triggers"][0]["metadata"]["query"])
    assert all("<<" not in query for query in asked)
    for query in asked:
        promql_parser.parse(query)
    known = (kustomized.ROOT / "deploy/monitoring/rules.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"prediction_\w+", " ".join(asked)))
    assert used == {"prediction_queue_seconds_sum", "prediction_queue_seconds_count"}
    assert "prediction_queue_seconds_sum" in known
    named = {rule["name"]["as"] for rule in adapter}
    wanted = {
        m["pods"]["metric"]["name"]
        for name in ("cpu", "gpu")
        for h in rules.of(built[name], "HorizontalPodAutoscaler")
        for m in h["spec"]["metrics"]
        if m["type"] == "Pods"
    }
    assert wanted == named
