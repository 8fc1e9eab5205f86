"""A workspace's managed network: which rules come out of which destinations."""

import pytest

from tritext_serve.endpoint.files.network import read_network
from tritext_serve.endpoint.files.report import Report
from tritext_serve.endpoint.files.section import Section
from tritext_serve.endpoint.files.tree import read_tree
from tritext_serve.endpoint.model import Network, OutboundRule

ACCOUNT = "/subscriptions/0/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/films"


def read(rules: str, mode: str = "allow_only_approved_outbound", tags: str = "{}") -> tuple[Network, Report]:
    """Read a workspace with a list of rules in one line."""
    report = Report("network.yml")
    text = f"name: films\ntags: {tags}\nmanaged_network:\n  isolation_mode: {mode}\n  outbound_rules: [{rules}]\n"
    tree = read_tree(text.encode(), report)
    assert tree is not None
    return read_network(Section(tree, report)), report


def service_tag(protocol: str = "TCP", ports: str = "443") -> str:
    """A rule of that type."""
    target = f'service_tag: Storage.WestEurope, protocol: {protocol}, port_ranges: "{ports}"'
    return f"{{name: storage, type: service_tag, destination: {{{target}}}}}"


def private_endpoint(more: str = "") -> str:
    """A rule of that type."""
    target = f"service_resource_id: {ACCOUNT}, subresource_target: blob, spark_enabled: false"
    return f"{{name: models, type: private_endpoint, destination: {{{target}}}{more}}}"


@pytest.mark.parametrize(
    "host", ["reviews.example.com", "*.example.com", "Reviews.Example.COM", "xn--kino-5qa.example"]
)
def test_a_host_is_kept_in_small_letters(host: str) -> None:
    network, report = read(f'{{name: reviews, type: fqdn, destination: "{host}"}}')
    assert network.outbound_rules == (OutboundRule("reviews", "fqdn", host.lower()),)
    assert not report.problems


NO_HOSTS = ("localhost", "a..b", "-a.example", "a.*.example", "a.example:443", "a" * 64 + ".b", "1.2.3.4")


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host_is_refused(host: str) -> None:
    network, report = read(f'{{name: reviews, type: fqdn, destination: "{host}"}}')
    assert network.outbound_rules == ()
    assert len(report.problems) == 1


@pytest.mark.parametrize(
    ("ports", "read_as"),
    [("443", (443,)), ("8443, 443", (443, 8443)), ("8080-8082,443", (443, 8080, 8081, 8082)), ("1,1", (1,))],
)
def test_a_service_tag_has_ports(ports: str, read_as: tuple[int, ...]) -> None:
    network, report = read(service_tag(ports=ports))
    assert network.outbound_rules == (OutboundRule("storage", "service_tag", "Storage.WestEurope", read_as),)
    assert not report.problems


@pytest.mark.parametrize("ports", ["0", "443-80", "65536", "https", "*", "1-", "٤٤٣"])
def test_what_are_no_ports_is_refused(ports: str) -> None:
    assert len(read(service_tag(ports=ports))[1].problems) == 1


def test_a_protocol_that_never_leaves_opens_nothing_and_is_noted() -> None:
    network, report = read(service_tag(protocol="UDP"))
    assert (network.outbound_rules, report.problems) == ((), [])
    assert "never leaves" in str(report.notes[0])


def test_a_private_endpoint_has_its_resource_and_the_address_that_a_tag_gives() -> None:
    network, report = read(private_endpoint(), tags="{tritext_address_models: 10.60.5.4}")
    assert network.outbound_rules == (
        OutboundRule("models", "private_endpoint", f"{ACCOUNT}#blob", address="10.60.5.4"),
    )
    assert not report.problems


def test_a_private_endpoint_with_names_is_reached_by_each() -> None:
    network, _ = read(private_endpoint(", fqdns: [a.example.com, b.example.com]"), "allow_internet_outbound")
    assert [rule.destination for rule in network.outbound_rules] == ["a.example.com", "b.example.com"]


@pytest.mark.parametrize("address", ["8.8.8.8", "127.0.0.1", "0.0.0.0", "10.60.5", "fd00::1", "[10.60.5.4]", "10"])
def test_an_address_that_is_not_private_is_refused(address: str) -> None:
    _, report = read(private_endpoint(), tags=f'{{tritext_address_models: "{address}"}}')
    assert {problem.field for problem in report.problems} == {"tags.tritext_address_models"}


def test_modes_are_taken_as_azures_client_writes_them() -> None:
    assert read("", "AllowInternetOutbound")[0] == Network("allow_internet_outbound")


def test_what_this_machine_cannot_keep_is_refused_with_a_remedy() -> None:
    tag = service_tag().replace("Storage.WestEurope", "Sql")
    resource = private_endpoint().replace("Microsoft.Storage/storageAccounts", "Microsoft.Sql/servers")
    for rule in (tag, resource):
        _, report = read(rule)
        (problem,) = report.problems
        assert problem.field == "managed_network.outbound_rules[0].destination"
        assert "name" in problem.what
