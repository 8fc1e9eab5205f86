"""Private endpoint against service endpoint: who reaches the storage account, and which line keeps it so."""

from pathlib import Path

import pytest

from tests.deploy.azure.files import ACCESSES, built, changed
from tests.deploy.azure.reach import FOREIGN, INTERNET, MANAGED, Answer, account_of, reach

PRIVATE, SERVICE = ACCESSES
MAIN, NETWORK, STORAGE = "main.bicep", "modules/network.bicep", "modules/storage.bicep"
WORKSPACE = "modules/workspace.bicep"
THEIRS = "theirs"
JOBS = ("jobs", "")
NO_WAY = "no way out of the network"
REFUSED_OUT = "filter out: deny-the-rest-out"


def ask(access: str, question: tuple[str, str], folder: Path | None = None) -> Answer:
    """Ask of the files as they are, or of changed ones."""
    found = built(access, folder) if folder else built(access)
    place, account = question
    return reach(found, place, FOREIGN if account == THEIRS else account_of(found))


@pytest.mark.parametrize(
    ("access", "place", "account", "expected"),
    [
        (PRIVATE, "jobs", "", Answer(True, "private address")),
        (SERVICE, "jobs", "", Answer(True, "the account opens to this subnet")),
        (PRIVATE, "endpoints", "", Answer(False, "filter out: deny-the-rest-out")),
        (SERVICE, "endpoints", "", Answer(False, "filter out: deny-the-rest-out")),
        (PRIVATE, INTERNET, "", Answer(False, "the account has no public address")),
        (SERVICE, INTERNET, "", Answer(False, "the account's wall")),
        (PRIVATE, MANAGED, "", Answer(True, "private endpoint of the workspace")),
        (SERVICE, MANAGED, "", Answer(True, "private endpoint of the workspace")),
        (PRIVATE, "jobs", THEIRS, Answer(False, "filter out: deny-the-rest-out")),
        (SERVICE, "jobs", THEIRS, Answer(False, "the service endpoint's policy")),
        (PRIVATE, MANAGED, THEIRS, Answer(False, "no rule of the workspace")),
        (SERVICE, MANAGED, THEIRS, Answer(False, "no rule of the workspace")),
    ],
)
def test_who_reaches_what_and_why(access: str, place: str, account: str, expected: Answer) -> None:
    assert ask(access, (place, account)) == expected


REST = "[toPrivateEndpoints, toSignIn], byService ? [toStorage] : [], [denyOut, denyIn]"
OUT = "defaultOutboundAccess: false\n          networkSecurityGroup: {\n            id: jobsFilter.id"
OPEN = (STORAGE, "defaultAction: 'Deny'", "defaultAction: 'Allow'")
PUBLIC = (STORAGE, "byService ? 'Enabled' : 'Disabled'", "'Enabled'")
Edit = tuple[str, str, str]


@pytest.mark.parametrize(
    ("access", "edit", "question", "why"),
    [
        # Each part of the private way is needed: without it the name leads to the public address, which is shut.
        (PRIVATE, (MAIN, "storage: private\n", "storage: false\n"), JOBS, REFUSED_OUT),
        (PRIVATE, (MAIN, "networkId: network.outputs.networkId", "networkId: 'another'"), JOBS, REFUSED_OUT),
        (PRIVATE, (MAIN, "zoneIds: [zones.outputs.blob]", "zoneIds: []"), JOBS, REFUSED_OUT),
        (PRIVATE, (MAIN, "part: 'blob'", "part: 'file'"), JOBS, REFUSED_OUT),
        (PRIVATE, (NETWORK, REST, "[toSignIn], [denyOut, denyIn]"), JOBS, REFUSED_OUT),
        (PRIVATE, (NETWORK, "concat([jobsRange], callers)", "callers"), JOBS, "filter in: deny-the-rest-in"),
        # The public address stays shut although one of the walls before it is opened.
        (PRIVATE, OPEN, (INTERNET, ""), "the account has no public address"),
        (PRIVATE, PUBLIC, (INTERNET, ""), "the account's wall"),
        # A filter that lets nothing out to public addresses cuts the service's way, and not the private one.
        (SERVICE, (NETWORK, REST, "[toPrivateEndpoints, toSignIn], [denyOut, denyIn]"), JOBS, REFUSED_OUT),
        (SERVICE, (NETWORK, "? [{ service: 'Microsoft.Storage' }] :", "? [] :"), JOBS, NO_WAY),
        (SERVICE, (STORAGE, "[{ id: allowedSubnetId, action: 'Allow' }]", "[]"), JOBS, "the account's wall"),
        # What keeps labels from being carried to somebody else's account.
        (PRIVATE, (NETWORK, REST, "[toSignIn], [denyIn]"), ("jobs", THEIRS), NO_WAY),
    ],
)  # fmt: skip
def test_what_each_line_is_for(tmp_path: Path, access: str, edit: Edit, question: tuple[str, str], why: str) -> None:
    assert ask(access, question, changed(tmp_path, edit)) == Answer(False, why)


@pytest.mark.parametrize(
    ("access", "edits", "question"),
    [
        (SERVICE, [OPEN], (INTERNET, "")),
        (SERVICE, [(NETWORK, "? [{ id: only.id }] :", "? [] :")], ("jobs", THEIRS)),
        (SERVICE, [(NETWORK, "[serviceEndpointFor]", f"['{FOREIGN}', serviceEndpointFor]")], ("jobs", THEIRS)),
        (PRIVATE, [OPEN, PUBLIC], (INTERNET, "")),
        (PRIVATE, [(NETWORK, REST, "[toSignIn]"), (NETWORK, OUT, OUT.replace("false", "true"))], ("jobs", THEIRS)),
        (PRIVATE, [(WORKSPACE, "'AllowOnlyApprovedOutbound'", "'AllowInternetOutbound'")], (MANAGED, THEIRS)),
    ],
)
def test_a_wall_taken_down_lets_somebody_through(
    tmp_path: Path, access: str, edits: list[Edit], question: tuple[str, str]
) -> None:
    assert not ask(access, question).reached
    assert ask(access, question, changed(tmp_path, *edits)).reached


def test_only_the_service_endpoint_lets_anything_out_to_a_public_storage_address() -> None:
    allowed = {}
    for access in ACCESSES:
        groups = built(access).of("Microsoft.Network/networkSecurityGroups")
        rules = [rule["properties"] for group in groups for rule in group.body["properties"]["securityRules"]]
        leaving = [rule for rule in rules if rule["direction"] == "Outbound" and rule["access"] == "Allow"]
        allowed[access] = {rule["destinationAddressPrefix"] for rule in leaving}
    assert allowed[PRIVATE] == {"10.60.0.64/26", "AzureActiveDirectory"}
    assert allowed[SERVICE] - allowed[PRIVATE] == {"Storage.westeurope"}
