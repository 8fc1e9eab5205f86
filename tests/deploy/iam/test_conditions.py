"""The evaluator itself: the grammar of Azure's article, its table of operators, and what is refused."""

import pytest

from tests.deploy.iam.conditions import (
    ADD,
    BLOBS,
    DELETE,
    LIST,
    READ,
    WRITE,
    ConditionError,
    Request,
    Values,
    evaluate,
    on_blob,
    on_list,
)

NAME = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name]"
PATH = f"@Resource[{BLOBS}:path]"


def value(left: str, operator: str, right: str) -> bool:
    """Compare an attribute that is ``left`` with a literal."""
    return evaluate(f"@Resource[x] {operator} {right}", Request(READ, "", {("resource", "x"): left}))


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        ("abcd", "StringLike", "'a*c?'", True),
        ("abcd", "StringLike", "'A*C?'", False),
        ("abcd", "StringLike", "'a*c'", False),
        ("abcd", "StringLikeIgnoreCase", "'A*C?'", True),
        ("a*c", "StringLike", r"'a\*c'", True),
        ("abc", "StringLike", r"'a\*c'", False),
        ("input/x", "StringStartsWith", "'input/'", True),
        ("Input/x", "StringStartsWith", "'input/'", False),
        ("Input/x", "StringStartsWithIgnoreCase", "'input/'", True),
        ("input/x", "StringNotStartsWith", "'input/'", False),
        ("a", "StringEquals", "'a'", True),
        ("a", "StringEquals", "'A'", False),
        ("a", "StringEqualsIgnoreCase", "'A'", True),
        ("a", "StringNotEquals", "'b'", True),
        ("a", "ForAnyOfAnyValues:StringEquals", "{'b', 'a'}", True),
        ("a", "ForAnyOfAllValues:StringEquals", "{'b', 'a'}", False),
    ],
)
def test_operators_of_texts(left: str, operator: str, right: str, expected: bool) -> None:
    assert value(left, operator, right) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{'red', 'blue'} ForAnyOfAnyValues:StringEquals {'blue', 'green'}", True),
        ("{'red', 'blue'} ForAnyOfAnyValues:StringEquals {'orange', 'green'}", False),
        ("{'red', 'blue'} ForAllOfAnyValues:StringEquals {'orange', 'red', 'blue'}", True),
        ("{'red', 'blue'} ForAllOfAnyValues:StringEquals {'red', 'green'}", False),
        ("{10, 20} ForAnyOfAllValues:NumericLessThan {15, 18}", True),
        ("{10, 20} ForAllOfAllValues:NumericLessThan {5, 15, 18}", False),
        ("{10, 20} ForAllOfAllValues:NumericLessThan {25, 30}", True),
        ("{10, 20} ForAllOfAnyValues:NumericLessThan {15, 25, 30}", True),
        ("true BoolEquals true", True),
        ("true BoolEquals 'true'", False),
    ],
)
def test_operators_of_several_values_as_azures_table_has_them(condition: str, expected: bool) -> None:
    assert evaluate(condition, Request(READ)) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (f"ActionMatches{{'{READ}'}}", True),
        (f"ActionMatches{{'{WRITE}'}}", False),
        (f"ActionMatches{{'{BLOBS}/*'}}", True),
        (f"actionless[x] StringEquals 'x' OR ActionMatches{{'{READ}'}}", None),
        (f"!(ActionMatches{{'{READ}'}})", False),
        (f"NOT ActionMatches{{'{WRITE}'}}", True),
        (f"ActionMatches{{'{READ}'}} AND SubOperationMatches{{'Blob.List'}}", False),
        (f"ActionMatches{{'{READ}'}} && !SubOperationMatches{{'Blob.List'}}", True),
        (f"(ActionMatches{{'{READ}'}} AND ActionMatches{{'{WRITE}'}}) || ActionMatches{{'{READ}'}}", True),
    ],
)
def test_what_is_asked_for(condition: str, expected: bool | None) -> None:
    request = on_blob(READ, "films", "input/a.txt")
    if expected is None:
        with pytest.raises(ConditionError):
            evaluate(condition, request)
    else:
        assert evaluate(condition, request) is expected


def test_a_condition_of_guards_lets_what_it_does_not_name_pass_and_one_without_does_not() -> None:
    test = f"{NAME} StringEquals 'films' AND {PATH} StringStartsWith 'output/'"
    guarded = f"((!(ActionMatches{{'{WRITE}'}})) OR ({test}))"
    bare = f"(ActionMatches{{'{WRITE}'}} AND {test})"
    inside, outside = on_blob(WRITE, "films", "output/a"), on_blob(WRITE, "films", "input/a")
    assert [evaluate(each, inside) for each in (guarded, bare)] == [True, True]
    assert [evaluate(each, outside) for each in (guarded, bare)] == [False, False]
    # Creating a blob is an action of its own, which a client that uploads uses beside writing.
    for action in (ADD, DELETE, READ):
        assert [evaluate(each, on_blob(action, "films", "output/a")) for each in (guarded, bare)] == [True, False]


def test_a_list_names_no_blob_and_a_blob_has_no_prefix() -> None:
    assert not evaluate(f"{PATH} StringStartsWith 'a'", on_list("films", "a"))
    assert not evaluate(f"{PATH} StringNotEquals 'b'", on_list("films", "a"))
    assert not evaluate(f"@Request[{BLOBS}:prefix] StringStartsWith 'a'", on_blob(READ, "films", "a"))
    assert on_list("films", None).suboperation == LIST
    assert not evaluate(f"@Request[{BLOBS}:prefix] StringStartsWith 'a'", on_list("films", None))


def test_names_of_attributes_and_their_sources_have_no_case() -> None:
    assert evaluate(f"@resource[{BLOBS.upper()}:Path] StringEquals 'a'", on_blob(READ, "films", "a"))


TAGS = f"{BLOBS}/tags"


@pytest.mark.parametrize(
    ("condition", "source", "name", "value", "expected"),
    [
        # The forms of Azure's own examples, beside paths: tags of a blob, how it is reached, and when.
        (f"@Resource[{TAGS}:Project<$key_case_sensitive$>] StringEquals 'Films'", "resource",
         f"{TAGS}:Project<$key_case_sensitive$>", "Films", True),
        (f"@Request[{TAGS}&$keys$&] ForAllOfAnyValues:StringEquals {{'Project', 'Program'}}", "request",
         f"{TAGS}&$keys$&", ("Project",), True),
        (f"@Request[{TAGS}&$keys$&] ForAllOfAnyValues:StringEquals {{'Project', 'Program'}}", "request",
         f"{TAGS}&$keys$&", ("Project", "Owner"), False),
        ("@Environment[isPrivateLink] BoolEquals true", "environment", "isPrivateLink", True, True),
        ("@Environment[isPrivateLink] BoolEquals true", "environment", "isPrivateLink", False, False),
        ("@Environment[Microsoft.Network/virtualNetworks/subnets] StringEqualsIgnoreCase '/s/Jobs'", "environment",
         "Microsoft.Network/virtualNetworks/subnets", "/s/jobs", True),
        ("@Environment[UtcNow] DateTimeGreaterThan '2026-11-22T12:00:00Z'", "environment", "UtcNow",
         "2026-11-22T12:00:01Z", True),
        ("@Environment[UtcNow] DateTimeGreaterThan '2026-11-22T12:00:00Z'", "environment", "UtcNow",
         "2026-11-22T11:59:59Z", False),
        (f"NOT Exists @Request[{BLOBS}:versionId]", "request", f"{BLOBS}:versionId", "1", False),
        (f"NOT Exists @Request[{BLOBS}:versionId]", "request", f"{BLOBS}:snapshot", "1", True),
    ],
)  # fmt: skip
def test_the_other_forms_of_azures_examples(
    condition: str, source: str, name: str, value: Values, expected: bool
) -> None:
    assert evaluate(condition, Request(READ, "", {(source, name.lower()): value})) is expected


def test_no_condition_takes_nothing_away() -> None:
    assert evaluate("", on_blob(DELETE, "films", "a"))


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("@Resource[a] StringEquals 'x' AND @Resource[b] StringEquals 'y' OR @Resource[c] StringEquals 'z'", "parenth"),
        ("@Resource[a] StringEquals", "missing before 'the end'"),
        ("(@Resource[a] StringEquals 'x'", "missing before 'the end'"),
        ("@Resource[a] StringEquals 'x')", "follows the condition"),
        ("@Resource[a] StringContains 'x'", "no operator that is known"),
        ("@Resource[a] 'x'", "stands where an operator should"),
        ("@Nobody[a] StringEquals 'x'", "is not understood"),
        ("ActionMatches{'a' 'b'}", "missing before"),
        ("ActionMatches{3}", "takes texts"),
        ("@Resource[a] StringEquals 'x", "is not understood"),
        ("@Resource[a] StringEquals maybe", "where a value should"),
        ("AND", "where a value should"),
    ],
)
def test_what_is_no_condition_is_refused_with_the_reason(condition: str, words: str) -> None:
    with pytest.raises(ConditionError, match=words):
        evaluate(condition, Request(READ))
