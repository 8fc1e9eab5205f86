"""Rules for the Bicep files that no scanner has: zones fit, nothing is public, nothing allows everything."""

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.azure.bicep import Built, Resource, arm, build, declared
from tests.deploy.azure.files import ACCESSES, AZURE, RENDERED, built, changed, parameters
from tests.deploy.azure.syntax import BicepError
from tritext_serve.endpoint.isolation.outbound import PRIVATE_ZONES

FILES = sorted(AZURE.rglob("*.bicep"))
PRIVATE, SERVICE = ACCESSES
NETWORK = "Microsoft.Network"
ZONES = {
    "blob": {"privatelink.blob.core.windows.net"},
    "registry": {"privatelink.azurecr.io"},
    "vault": {"privatelink.vaultcore.azure.net"},
    "amlworkspace": {"privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"},
}


@pytest.fixture(scope="module", params=ACCESSES)
def made(request: pytest.FixtureRequest) -> Built:
    """All resources, for each way to the storage account."""
    return built(request.param)


def endpoints(made: Built) -> dict[str, Resource]:
    """The private endpoints by the part of a service that they lead to."""
    found = {}
    for each in made.of(f"{NETWORK}/privateEndpoints"):
        (connection,) = each.body["properties"]["privateLinkServiceConnections"]
        (part,) = connection["properties"]["groupIds"]
        found[part] = each
    return found


def test_every_private_endpoint_has_the_zones_of_its_part_and_they_are_linked_to_the_network(made: Built) -> None:
    (network,) = made.of(f"{NETWORK}/virtualNetworks")
    links = made.of(f"{NETWORK}/privateDnsZones/virtualNetworkLinks")
    linked = {each.name.partition("/")[0] for each in links}
    assert all(each.body["properties"]["virtualNetwork"]["id"] == network.identity for each in links)
    assert linked == {each.name for each in made.of(f"{NETWORK}/privateDnsZones")}
    for part, endpoint in endpoints(made).items():
        groups = made.of(f"{NETWORK}/privateEndpoints/privateDnsZoneGroups")
        (group,) = (each for each in groups if each.name.startswith(f"{endpoint.name}/"))
        configs = group.body["properties"]["privateDnsZoneConfigs"]
        assert {each["properties"]["privateDnsZoneId"].rpartition("/")[2] for each in configs} == ZONES[part]
        assert ZONES[part] <= linked


def test_the_zones_are_those_that_the_local_isolation_knows(made: Built) -> None:
    known = {zone.format(part="blob") for zone in PRIVATE_ZONES.values()}
    zones = {each.name.removeprefix("privatelink.") for each in made.of(f"{NETWORK}/privateDnsZones")}
    assert zones - known == {"vaultcore.azure.net", "notebooks.azure.net"}  # a vault's own name is vault.azure.net


def test_what_has_a_private_endpoint_has_no_public_address_and_the_other_way_round(made: Built) -> None:
    private = {
        each.body["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceId"]
        for each in endpoints(made).values()
    }
    services = [each for each in made.resources if "publicNetworkAccess" in each.body.get("properties", {})]
    assert len(services) == 4
    for each in services:
        assert (each.body["properties"]["publicNetworkAccess"] == "Disabled") == (each.identity in private)


def rules(made: Built) -> list[dict[str, Any]]:
    """The rules of all filters."""
    groups = made.of(f"{NETWORK}/networkSecurityGroups")
    return [
        {"group": group.name, **rule["properties"]}
        for group in groups
        for rule in group.body["properties"]["securityRules"]
    ]


def test_no_rule_allows_everything_and_each_filter_ends_by_refusing(made: Built) -> None:
    everywhere = ("*", "Internet", "0.0.0.0/0")
    for rule in rules(made):
        ends = [rule["destinationAddressPrefix"], *rule.get("sourceAddressPrefixes", [rule.get("sourceAddressPrefix")])]
        if rule["access"] == "Allow":
            assert not set(ends) & set(everywhere)
            assert (rule["protocol"], rule["destinationPortRange"]) == ("Tcp", "443")
    for group in {rule["group"] for rule in rules(made)}:
        for way in ("Inbound", "Outbound"):
            last = max(
                (r for r in rules(made) if (r["group"], r["direction"]) == (group, way)), key=lambda r: r["priority"]
            )
            assert (last["access"], last["destinationAddressPrefix"], last["protocol"]) == ("Deny", "*", "*")


def test_callers_of_peered_networks_reach_the_private_endpoints_and_not_the_jobs() -> None:
    made = build(AZURE / "main.bicep", parameters(callers=["10.70.0.0/24"]))
    (rule,) = (rule for rule in rules(made) if "sourceAddressPrefixes" in rule)
    assert rule["group"].endswith("-endpoints")
    assert rule["sourceAddressPrefixes"] == ["10.60.0.0/26", "10.70.0.0/24"]


def test_nobody_signs_in_by_key_or_password(made: Built) -> None:
    (account,) = made.of("Microsoft.Storage/storageAccounts")
    (registry,) = made.of("Microsoft.ContainerRegistry/registries")
    (vault,) = made.of("Microsoft.KeyVault/vaults")
    (workspace,) = made.of("Microsoft.MachineLearningServices/workspaces")
    assert account.body["properties"]["allowSharedKeyAccess"] is False
    assert account.body["properties"]["allowBlobPublicAccess"] is False
    assert registry.body["properties"]["adminUserEnabled"] is False
    assert registry.body["properties"]["anonymousPullEnabled"] is False
    assert vault.body["properties"]["enableRbacAuthorization"] is True
    assert workspace.body["properties"]["systemDatastoresAuthMode"] == "identity"


def test_the_workspaces_rules_are_those_of_the_file_for_the_local_endpoint(made: Built) -> None:
    (workspace,) = made.of("Microsoft.MachineLearningServices/workspaces")
    managed = workspace.body["properties"]["managedNetwork"]
    assert managed["isolationMode"] == "AllowOnlyApprovedOutbound"
    assert {name: rule["type"] for name, rule in managed["outboundRules"].items()} == {
        "reviews": "FQDN", "sign-in": "ServiceTag", "models": "PrivateEndpoint",
    }  # fmt: skip


def test_a_removed_container_can_be_taken_back(made: Built) -> None:
    (blobs,) = made.of("Microsoft.Storage/storageAccounts/blobServices")
    assert blobs.body["properties"]["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 7}


def test_roles_name_what_the_infrastructure_makes(made: Built) -> None:
    there = {each.identity for each in made.resources}
    named = build(RENDERED / "roles.bicep")
    assert {each.identity for each in named.resources if each.existing} <= there
    assigned = named.of("Microsoft.Authorization/roleAssignments")
    assert {each.body["scope"].identity for each in assigned} <= there
    made_there = {each.name for each in named.of("Microsoft.Authorization/roleDefinitions")}
    given = {each.body["properties"]["roleDefinitionId"].rpartition("/")[2] for each in assigned}
    assert made_there < given


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_secret_and_no_id_stands_in_a_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8").lower()
    assert "@secure" not in text
    assert "password" not in text.replace("administrator's password", "")
    assert "listkeys" not in text
    assert "/subscriptions/" not in text


def test_the_template_that_is_worked_out_is_whole(made: Built) -> None:
    template = arm(made)
    names = [(each["type"], each["name"]) for each in template["resources"]]
    assert len(names) == len(set(names)) > 25
    assert all(each["apiVersion"][:2] == "20" for each in template["resources"])


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("main.bicep", "param registry string", "param registry"), "is not Bicep"),
        (("main.bicep", "name: registry\n  }", "nome: registry\n  }"), "no parameter nome"),
        (("main.bicep", "    name: keyVault\n", ""), "parameter name is missing"),
        (("main.bicep", "name: keyVault\n", "name: keyVaults\n"), "keyVaults is not declared"),
        (("modules/vault.bicep", "subscription()", "tenant()"), "tenant is not known here"),
        (("modules/storage.bicep", "param containers array", "param containers string"), "is no string"),
    ],
)
def test_a_broken_file_is_noticed(tmp_path: Path, edit: tuple[str, str, str], words: str) -> None:
    with pytest.raises(BicepError, match=words):
        built(PRIVATE, changed(tmp_path, edit))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"storageAccess": "public"}, "must be one of"),
        ({"containers": "reviews"}, "is no array"),
        ({"accountKey": "abc"}, "no parameter accountKey"),
    ],
)
def test_wrong_parameters_are_noticed(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BicepError, match=words):
        build(AZURE / "main.bicep", parameters(**given))


def test_every_module_takes_what_it_is_given() -> None:
    modules = [path for path in FILES if path.parent.name == "modules"]
    assert len(modules) == 8
    assert all(all(declared(path).values()) for path in modules)  # none has a default that hides a missing value
