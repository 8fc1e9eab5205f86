"""`tritext repository` as a user types it: what it prints, and its exit status."""

import json
from pathlib import Path

import pytest

from tests.export.repositories import make_repository, publish_version
from tritext._cli.main import main

OUTSIDE = {
    "model",
    "version",
    "in_service",
    "passed",
    "precision",
    "accuracy",
    "agreement",
    "bytes",
    "created",
    "source",
}


def command(root: Path, *words: str) -> int:
    """Run the command on a repository."""
    return main(["repository", words[0], "--repository", str(root), *words[1:]])


def test_the_list_shows_what_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_repository(tmp_path, 2)
    publish_version(tmp_path, passed=False)
    assert command(tmp_path, "promote", "m", "1") == 0
    assert "m: version 1 is in service, instead of version 3" in capsys.readouterr().out
    assert command(tmp_path, "list") == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert " ".join(heading.split()) == (
        "model version serves certificate precision accuracy agreement size created (UTC)"
    )
    assert [row.split()[:4] for row in rows] == [
        ["m", "1", "yes", "passed"],
        ["m", "2", "passed", "fp32"],
        ["m", "3", "FAILED", "fp32"],
    ]
    assert rows[0].split()[4:7] == ["fp32", "0.8400", "99.60%"]


def test_the_list_as_json_has_every_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_repository(tmp_path, 2)
    (tmp_path / "m" / "1" / "manifest.json").unlink()
    assert command(tmp_path, "list", "m", "--json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(first) == set(second) == OUTSIDE
    assert (first["in_service"], first["precision"], first["source"]) == (False, None, None)
    assert (second["in_service"], second["precision"], second["passed"]) == (True, "fp32", True)
    files = [p for folder in ("m/2", "m_classifier/2") for p in (tmp_path / folder).iterdir()]
    assert second["bytes"] == sum(p.stat().st_size for p in files)


def test_verify_ends_with_status_one_if_anything_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_repository(tmp_path, 2)
    assert command(tmp_path, "verify") == 0
    assert capsys.readouterr().out == "m 1: as certified\nm 2: as certified\n2 versions checked, 0 findings\n"
    (tmp_path / "m" / "1" / "tokenizer.json").write_text("[]")
    assert command(tmp_path, "verify", "m") == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("m 1: m/1/tokenizer.json: its sha256 is ")
    assert said[1:] == ["m 2: as certified", "2 versions checked, 1 finding"]


def test_rolling_back_and_pruning_say_what_they_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_repository(tmp_path, 4)
    assert command(tmp_path, "rollback", "m") == 0
    assert "m: version 3 is in service, instead of version 4" in capsys.readouterr().out
    assert command(tmp_path, "prune", "--keep", "1", "--dry-run") == 0
    assert capsys.readouterr().out == "m 1: would be removed\nm 2: would be removed\n"
    assert command(tmp_path, "prune", "--keep", "1") == 0
    assert capsys.readouterr().out == "m 1: removed\nm 2: removed\n"
    assert command(tmp_path, "prune", "--keep", "1") == 0
    assert capsys.readouterr().out == "nothing to remove\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("promote", "m", "7"), 1, "tritext repository: .*m has no version 7; there are 1"),
        (("promote", "m", "0"), 2, "'0' is not a whole number of 1 or more"),
        (("prune", "--keep", "0"), 2, "'0' is not a whole number of 1 or more"),
        (("rollback", "x"), 1, "no model 'x'; there are m"),
        (("shuffle",), 2, "invalid choice: 'shuffle'"),
    ],
)
def test_refusals_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], status: int, said: str
) -> None:
    import re

    make_repository(tmp_path, 1)
    assert command(tmp_path, *words) == status
    assert re.search(said, capsys.readouterr().err)


@pytest.mark.parametrize("action", ["list", "verify", "promote", "rollback", "prune"])
def test_every_action_explains_itself_with_an_example(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repository", action, "--help"]) == 0
    assert f"example:\n  tritext repository {action}" in capsys.readouterr().out
