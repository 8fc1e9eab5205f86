"""What the endpoint and its jobs may do and may not, by the conditions that are rendered; each clause is needed."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.azure.bicep import build
from tests.deploy.azure.files import AZURE
from tests.deploy.iam.assigned import ACCOUNT, CONTAINERS, CONTRIBUTOR, SERVICE, allowed
from tests.deploy.iam.conditions import ADD, BLOBS, DELETE, MOVE, READ, WRITE, Request, evaluate, on_blob, on_list
from tritext_serve.azure.cloud import Cloud, Place, read_cloud
from tritext_serve.azure.grants import bicep
from tritext_serve.azure.roles import Assignment, Role, assignments, within
from tritext_serve.endpoint.files.report import Report
from tritext_serve.endpoint.files.section import Section
from tritext_serve.endpoint.files.tree import read_tree

CLOUD = Cloud(
    subscription="00000000-0000-0000-0000-000000000000", resource_group="films", storage_account="filmmodels",
    storage_access="private_endpoint", registry="filmregistry", image="filmregistry.azurecr.io/tritext:1",
    key_vault="film-secrets", endpoint_identity="sentiment-endpoint", job_identity="sentiment-job",
    input=Place("reviews", "input/"), output=Place("reviews", "output/"), address_space="10.60.0.0/16",
)  # fmt: skip
APART = replace(CLOUD, input=Place("texts", "2026/"), output=Place("labels", "2026/"))
CHANGES = (WRITE, ADD, DELETE)
# What nobody may: with the container, with what it lies in, and with blobs otherwise than a job needs.
NEVER = (
    *(f"{CONTAINERS}/{verb}" for verb in ("read", "write", "delete", "lease/action")),
    *(f"{CONTAINERS}/{verb}" for verb in ("setAcl/action", "getAcl/action", "immutabilityPolicies/write")),
    *(f"{SERVICE}/{verb}" for verb in ("read", "write", "generateUserDelegationKey/action")),
    *(f"{ACCOUNT}/{verb}" for verb in ("listkeys/action", "regeneratekey/action", "listAccountSas/action")),
    *(f"{ACCOUNT}/{verb}" for verb in ("read", "write", "delete")),
    *(f"Microsoft.Authorization/{kind}/write" for kind in ("roleAssignments", "roleDefinitions")),
    *(f"{BLOBS}/{verb}/action" for verb in ("move", "deleteBlobVersion", "permanentDelete", "modifyPermissions")),
    *(f"{BLOBS}/{verb}" for verb in ("tags/write", "tags/read", "immutableStorage/runAsSuperUser/action")),
)
ASKED: list[tuple[str, Request, bool]] = [
    ("reviews", on_blob(READ, "reviews", "input/a.csv"), True),
    ("reviews", on_blob(READ, "reviews", "input/deep/er/a.csv"), True),
    ("reviews", on_blob(READ, "reviews", "input"), False),
    ("reviews", on_blob(READ, "reviews", "input-of-others/a.csv"), False),
    ("reviews", on_blob(READ, "reviews", "Input/a.csv"), False),
    ("reviews", on_blob(READ, "reviews", "x/input/a.csv"), False),
    ("reviews", on_blob(READ, "reviews", "models/model.onnx"), False),
    ("reviews", on_blob(READ, "reviews", ""), False),
    ("others", on_blob(READ, "others", "input/a.csv"), False),
    ("reviews", on_list("reviews", "input/"), True),
    ("reviews", on_list("reviews", "input/2026/"), True),
    ("reviews", on_list("reviews", "input"), False),
    ("reviews", on_list("reviews", ""), False),
    ("reviews", on_list("reviews", None), False),
    ("others", on_list("others", "input/"), False),
    ("others", on_list("others", "output/"), False),
    ("reviews", on_list("reviews", "output/"), True),
    ("reviews", on_blob(READ, "reviews", "output/part-0"), True),
    *((("reviews", on_blob(action, "reviews", "output/part-0"), True)) for action in CHANGES),
    *((("reviews", on_blob(action, "reviews", "input/a.csv"), False)) for action in CHANGES),
    *((("reviews", on_blob(action, "reviews", "output"), False)) for action in CHANGES),
    *((("reviews", on_blob(action, "reviews", "output2/part-0"), False)) for action in CHANGES),
    *((("others", on_blob(action, "others", "output/part-0"), False)) for action in CHANGES),
]


def of(principal: str, cloud: Cloud = CLOUD) -> list[Assignment]:
    """The assignments of one identity."""
    return [each for each in assignments(cloud) if each.principal == principal]


@pytest.mark.parametrize(("container", "request_", "expected"), ASKED, ids=lambda value: str(value)[:90])
def test_a_job_reads_its_input_writes_its_output_and_nothing_else(
    container: str, request_: Request, expected: bool
) -> None:
    assert allowed(of("sentiment-job"), container, request_) is expected


def permitted(assignments: list[Assignment]) -> set[str]:
    """Which of what nobody may these allow, for a request that says as little or as much as its sender likes."""
    asked = {
        action: (Request(action), on_blob(action, "reviews", "output/part-0"), on_blob(action, "reviews", ""))
        for action in NEVER
    }
    return {action for action, requests in asked.items() if any(allowed(assignments, "reviews", r) for r in requests)}


def test_a_job_cannot_touch_what_holds_the_blobs_nor_their_former_versions() -> None:
    assert permitted(of("sentiment-job")) == set()
    assert permitted(of("sentiment-job", APART)) == set()


def test_azures_own_role_for_writing_would_let_a_job_delete_the_container() -> None:
    """Its condition does not help: it is about blobs. This is what the role of our own is for."""
    theirs = within(CONTRIBUTOR, CLOUD.output)
    (writer,) = (each for each in of("sentiment-job") if each.name == "jobWrite")
    careless = [*of("sentiment-job"), replace(writer, role=CONTRIBUTOR, condition=theirs)]
    assert all(allowed(careless, container, request) is expected for container, request, expected in ASKED)
    assert permitted(careless) == {*CONTRIBUTOR.actions, MOVE}


def test_the_endpoint_changes_nothing_in_the_account() -> None:
    mine, store = of("sentiment-endpoint"), "azureml-blobstore-1"
    found = {each for each in NEVER if allowed(mine, store, on_blob(each, store, "LocalUpload/1/model.onnx"))}
    # Azure's own reader, which the service asks for, sees that containers are there and may sign for what it may read.
    assert found == {f"{CONTAINERS}/read", f"{SERVICE}/generateUserDelegationKey/action"}


def test_the_endpoint_reads_the_workspaces_containers_and_nothing_else() -> None:
    mine = of("sentiment-endpoint")
    store = "azureml-blobstore-1"
    assert allowed(mine, store, on_blob(READ, store, "LocalUpload/1/model.onnx"))
    assert allowed(mine, store, on_list(store, None))
    assert not allowed(mine, "reviews", on_blob(READ, "reviews", "input/a.csv"))
    assert not allowed(mine, "reviews", on_list("reviews", "input/"))
    assert not any(allowed(mine, store, on_blob(action, store, "a")) for action in CHANGES)


# Words that share beginnings, which is where prefixes go wrong.
WORDS = st.sampled_from(["input", "output", "in", "out", "input2", "outputs", "2026", "models", "", "INPUT"])
PATHS = st.lists(WORDS, max_size=4).map("/".join)


@given(PATHS, st.sampled_from(("reviews", "others", "reviews2")), st.sampled_from((READ, *CHANGES)))
def test_a_blob_is_within_reach_if_and_only_if_its_path_says_so(path: str, container: str, action: str) -> None:
    inside = path.startswith("output/") or (action == READ and path.startswith("input/"))
    expected = container == "reviews" and inside
    assert allowed(of("sentiment-job"), container, on_blob(action, container, path)) is expected


@given(PATHS, st.sampled_from(("reviews", "others")))
def test_a_list_is_within_reach_if_and_only_if_its_prefix_says_so(prefix: str, container: str) -> None:
    expected = container == "reviews" and prefix.startswith(("input/", "output/"))
    assert allowed(of("sentiment-job"), container, on_list(container, prefix)) is expected


@given(PATHS, st.sampled_from(("texts", "labels")), st.sampled_from((READ, *CHANGES)))
def test_two_containers_are_kept_apart_though_their_prefix_is_one(path: str, container: str, action: str) -> None:
    expected = path.startswith("2026/") and (container == "labels" or action == READ)
    assert allowed(of("sentiment-job", APART), container, on_blob(action, container, path)) is expected


@given(st.one_of(st.text(max_size=30), st.from_regex(r"([a-z0-9._=*'/-]{1,6}/){1,3}", fullmatch=True)))
def test_whatever_prefix_is_accepted_is_held_as_it_stands(prefix: str) -> None:
    """A quote in it would end the condition's text, and what followed would be read as a condition."""
    text = (AZURE / "cloud.yml").read_text(encoding="utf-8").replace("prefix: output/", f"prefix: {json.dumps(prefix)}")
    report = Report("cloud.yml")
    table = read_tree(text.encode("utf-8", "surrogatepass"), report)
    cloud = read_cloud(Section(table, report)) if table else CLOUD
    if report.problems:
        return
    mine = of("sentiment-job", cloud)
    assert allowed(mine, "reviews", on_blob(WRITE, "reviews", f"{prefix}part-0"))
    assert not allowed(mine, "reviews", on_blob(WRITE, "reviews", f"{prefix[:-1]}-0"))
    assert not allowed(mine, "reviews", on_blob(WRITE, "reviews", f"x{prefix}part-0"))


def clauses() -> list[tuple[int, str]]:
    """Every guard and every comparison of the jobs' conditions, by the assignment that it stands in."""
    found = []
    for number, each in enumerate(of("sentiment-job")):
        guards = re.findall(r"^ *!\(.*\)$", each.condition, re.MULTILINE)
        tests = re.findall(r"^ *@.*$", each.condition, re.MULTILINE)
        found += [(number, f"{kind} {at}") for kind, all_ in (("!", guards), ("@", tests)) for at in range(len(all_))]
    return found


def loosened(condition: str, clause: str) -> str:
    """Forget what a guard is about, or let a comparison always hold."""
    kind, number = clause.split()
    found = list(re.finditer(r"^ *!\(.*\)$" if kind == "!" else r"^ *@.*$", condition, re.MULTILINE))[int(number)]
    instead = found[0].replace("{'Microsoft", "{'Nobody") if kind == "!" else "  'a' StringEquals 'a'"
    return condition[: found.start()] + instead + condition[found.end() :]


@pytest.mark.parametrize(("number", "clause"), clauses())
def test_every_clause_is_needed(number: int, clause: str) -> None:
    """Loosen one, and somebody may do what they must not, or the container's name alone stands between."""
    mine = [each for each in of("sentiment-job") if each.scope == "container"]
    narrowed = of("sentiment-job")[number]
    changed = replace(narrowed, condition=loosened(narrowed.condition, clause))
    assert changed.condition != narrowed.condition
    # On the whole account, so that the container's name in the condition is what holds, too.
    wide = [replace(changed if each == narrowed else each, scope="account") for each in mine]
    before = [replace(each, scope="account") for each in mine]
    differing = [r for c, r, _ in ASKED if allowed(wide, c, r) != allowed(before, c, r)]
    assert differing
    assert all(allowed(wide, "any", request) for request in differing)


def test_a_role_whose_action_no_guard_names_is_open_for_it() -> None:
    """Why the writer's condition names all of its actions: with the reader's alone, writing is free everywhere."""
    (reader,) = (each for each in of("sentiment-job") if each.name == "jobRead")
    careless = replace(reader, role=CONTRIBUTOR)
    assert all(evaluate(careless.condition, on_blob(action, "reviews", "input/a")) for action in CHANGES)
    for each in assignments(CLOUD):
        if each.condition:
            assert {f"'{action}'" for action in each.role.data_actions} <= set(re.findall(r"'[^']*'", each.condition))


def roles(cloud: Cloud = CLOUD) -> dict[str, Role]:
    """The roles that are made, by name."""
    return {each.role.name: each.role for each in assignments(cloud) if each.role.symbol}


def test_bicep_says_what_the_description_says(tmp_path: Path) -> None:
    granted = assignments(CLOUD)
    (tmp_path / "roles.bicep").write_text(bicep(CLOUD, granted), encoding="utf-8")
    built = build(tmp_path / "roles.bicep")
    ids = {}
    for resource in built.of("Microsoft.Authorization/roleDefinitions"):
        properties = resource.body["properties"]
        role = roles()[properties["roleName"]]
        (permission,) = properties["permissions"]
        assert tuple(permission["dataActions"]) == role.data_actions
        assert tuple(permission["actions"]) == role.actions == ()
        assert properties["type"] == "customRole"
        assert properties["assignableScopes"] == [f"/subscriptions/{CLOUD.subscription}/resourceGroups/films"]
        ids[role.name] = resource.name
    assert set(ids) == set(roles())
    made = built.of("Microsoft.Authorization/roleAssignments")
    assert [each.symbol for each in made] == [each.name for each in granted]
    for resource, each in zip(made, granted, strict=True):
        properties = resource.body["properties"]
        assert properties.get("condition", "").strip() == each.condition
        assert ("conditionVersion" in properties) == bool(each.condition)
        assert properties["roleDefinitionId"].rpartition("/")[2] == (each.role.identity or ids[each.role.name])
        assert properties["principalId"] == f"<principal of {each.principal}>"
        assert resource.body["scope"].name.endswith(each.target)
    assert len({each.name for each in made}) == len(made)


def test_containers_whose_names_differ_by_a_dash_stay_two(tmp_path: Path) -> None:
    cloud = replace(CLOUD, input=Place("films-2026", "input/"), output=Place("films2026", "output/"))
    (tmp_path / "roles.bicep").write_text(bicep(cloud, assignments(cloud)), encoding="utf-8")
    made = build(tmp_path / "roles.bicep").of("Microsoft.Authorization/roleAssignments")
    assert [each.body["scope"].name.rpartition("/")[2] for each in made][-2:] == ["films-2026", "films2026"]
    declared = re.findall(r"(?m)^resource (\w+)", (tmp_path / "roles.bicep").read_text(encoding="utf-8"))
    assert len(set(declared)) == len(declared)
