"""Azure's rules in, names and private addresses out."""

from dataclasses import replace

import pytest

from tests.serve.endpoint.isolation.endpoints import APPROVED, STORAGE, deployment
from tritext_serve.endpoint.egress import Allowed
from tritext_serve.endpoint.isolation.outbound import SERVICE_TAGS, Outbound, PrivateEndpoint, outbound
from tritext_serve.endpoint.model import Network, OutboundRule
from tritext_serve.errors import IsolationError

BLUE = deployment("blue")


def approved(*rules: OutboundRule) -> Network:
    return Network("allow_only_approved_outbound", rules)


def test_each_kind_becomes_what_the_egress_or_a_link_understands() -> None:
    reached = outbound(APPROVED, BLUE)
    assert not reached.everything
    assert reached.names == (
        Allowed("allowed.example"),
        Allowed("*.wild.example"),
        Allowed("inside.example"),
        Allowed("*.vault.azure.net"),
    )
    assert reached.private == (PrivateEndpoint("devacct.blob.core.windows.net", "10.60.200.4", (443,)),)


def test_a_deployment_without_egress_reaches_nothing_whatever_the_rules_say() -> None:
    assert outbound(APPROVED, replace(BLUE, egress="disabled")) == Outbound()


@pytest.mark.parametrize("mode", ["disabled", "allow_internet_outbound"])
def test_everything_may_be_reached_where_nothing_is_to_be_approved(mode: str) -> None:
    network = replace(APPROVED, isolation_mode=mode)  # type: ignore[arg-type]  # from a parameter
    reached = outbound(network, BLUE)
    assert reached.everything
    assert reached.names == ()
    assert len(reached.private) == 1


@pytest.mark.parametrize(
    ("destination", "host"),
    [
        ("devacct.blob.core.windows.net", "devacct.blob.core.windows.net"),
        (STORAGE, "devacct.blob.core.windows.net"),
        (STORAGE.replace("#blob", ""), "devacct.blob.core.windows.net"),
        (STORAGE.replace("#blob", "#file"), "devacct.file.core.windows.net"),
        ("/s/g/providers/Microsoft.KeyVault/vaults/Secrets#vault", "secrets.vault.azure.net"),
        ("/s/g/providers/Microsoft.ContainerRegistry/registries/images#registry", "images.azurecr.io"),
    ],
)
def test_a_private_endpoint_has_the_name_of_its_zone(destination: str, host: str) -> None:
    rule = OutboundRule("r", "private_endpoint", destination)
    assert outbound(approved(rule), BLUE).private == (PrivateEndpoint(host, None, (443,)),)


@pytest.mark.parametrize("tag", ["Storage", "Storage.westeurope"])
def test_a_regions_tag_stands_for_the_same_names(tag: str) -> None:
    names = outbound(approved(OutboundRule("r", "service_tag", tag, (443, 8443))), BLUE).names
    assert names == tuple(Allowed(host, (443, 8443)) for host in SERVICE_TAGS["Storage"])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (OutboundRule("r", "service_tag", "Sql"), "rule r: service tag 'Sql' has no stand-in here"),
        (OutboundRule("r", "fqdn", "a.example", (80,)), "rule r: port 80: the egress reads names from TLS"),
        (OutboundRule("r", "private_endpoint", "/s/Microsoft.Sql/servers/x"), "no private name is known for it"),
        (OutboundRule("r", "private_endpoint", "/x"), "no private name is known for it"),
    ],
)
def test_what_means_nothing_here_is_refused(rule: OutboundRule, words: str) -> None:
    with pytest.raises(IsolationError, match=words):
        outbound(approved(rule), BLUE)
