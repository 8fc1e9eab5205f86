"""The endpoint's keys: long, private, and renewed one at a time."""

import json
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tritext_serve.endpoint import keys
from tritext_serve.endpoint.keys import Key, Keys
from tritext_serve.errors import KeysError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where keys are to lie, in a folder that is not there yet."""
    return tmp_path / "endpoint" / "keys.json"


def test_both_keys_are_made_once_and_of_256_bit(path: Path) -> None:
    made = keys.read_or_make(path)
    assert list(made) == ["primary", "secondary"]
    assert all(len(secret) >= 43 for secret in made.values())
    assert made["primary"] != made["secondary"]
    assert keys.read_or_make(path) == made


def test_file_and_folder_are_this_users_alone_and_nothing_lies_beside(path: Path) -> None:
    keys.write(path, keys.read_or_make(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("which", keys.NAMES)
def test_rotation_renews_the_one_and_leaves_the_other(which: str) -> None:
    old = keys.make()
    new = keys.rotate(old, which)
    assert {name for name in new if new[name] != old[name]} == {which}
    assert new.entries[which].made >= old.entries[which].made


def test_a_key_that_does_not_exist_is_named() -> None:
    with pytest.raises(KeysError, match="no key 'third': there are primary and secondary"):
        keys.rotate(keys.make(), "third")


def test_no_secret_is_shown_by_accident(path: Path) -> None:
    made = keys.read_or_make(path)
    shown = f"{made} {made!r} {made.described()} {keys.handle({'verb': 'keys'}, path, refuse)}"
    assert not any(secret in shown for secret in made.values())
    assert made.entries["primary"].fingerprint in shown


def refuse(new: Keys) -> None:
    """An edge that does not take keys."""
    raise KeysError("the edge said no")


def test_what_rotates_reaches_file_and_edge_alike(path: Path) -> None:
    old, published = keys.read_or_make(path), list[Keys]()
    answer = keys.handle({"verb": "rotate", "key": "secondary"}, path, published.append)
    (new,) = published
    assert keys.read(path) == new
    assert (new["primary"] == old["primary"], new["secondary"] == old["secondary"]) == (True, False)
    assert answer == {"ok": True, "path": str(path), "keys": new.described()}


def test_an_edge_that_refuses_keeps_the_old_keys_everywhere(path: Path) -> None:
    old = keys.read_or_make(path)
    with pytest.raises(KeysError, match="the edge said no"):
        keys.handle({"verb": "rotate", "key": "primary"}, path, refuse)
    assert keys.read(path) == old


def test_rotations_that_meet_bring_no_old_key_back(path: Path) -> None:
    old, inside, go_on, published = keys.read_or_make(path), threading.Event(), threading.Event(), list[Keys]()

    def publish(new: Keys) -> None:
        inside.set()
        go_on.wait(30)
        published.append(new)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(keys.handle, {"verb": "rotate", "key": "primary"}, path, publish)
        assert inside.wait(30)
        second = pool.submit(keys.handle, {"verb": "rotate", "key": "secondary"}, path, publish)
        go_on.set()
        assert first.result(30)["ok"]
        assert second.result(30)["ok"]
    assert published[-1] == keys.read(path)
    assert not set(published[-1].values()) & set(old.values())


def test_keys_that_are_gone_while_the_endpoint_runs_are_not_made_anew(path: Path) -> None:
    for request in ({"verb": "keys"}, {"verb": "rotate", "key": "primary"}):
        with pytest.raises(KeysError, match="is gone: put it back, or start the endpoint again"):
            keys.handle(request, path, refuse)
    assert not path.exists()


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeysError, match="not a regular file"):
        keys.read(tmp_path / "pipe")


def test_makers_who_meet_agree(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(keys.read_or_make, [path] * 16))
    assert all(each == made[0] for each in made)


def test_a_link_leads_to_the_file_that_is_renewed(path: Path, tmp_path: Path) -> None:
    keys.read_or_make(path)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    keys.write(link, keys.make())
    assert link.is_symlink()
    assert keys.read(link) == keys.read(path)


def loosen_file(path: Path) -> str:
    path.chmod(0o640)
    return rf"others can read it \(mode 0640\): chmod 600 {path}"


def loosen_folder(path: Path) -> str:
    path.parent.chmod(0o770)
    return rf"others can exchange the keys in it \(mode 0770\): chmod 700 {path.parent}"


def give_away(path: Path) -> str:
    if os.getuid() != 0:
        pytest.skip("MISSING: only root can give a file to another user")
    os.chown(path, 12345, -1)
    path.chmod(0o600)
    return "belongs to user 12345: chown it"


@pytest.mark.parametrize("loosen", [loosen_file, loosen_folder, give_away])
def test_keys_that_others_can_reach_are_refused(path: Path, loosen: Callable[[Path], str]) -> None:
    keys.read_or_make(path)
    with pytest.raises(KeysError, match=loosen(path)):
        keys.read_or_make(path)


GOOD = "x" * 43


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "does not hold the keys primary and secondary"),
        ("[]", "does not hold the keys"),
        ('{"primary": {"key": "a"}}', "does not hold the keys"),
        (
            json.dumps({"primary": {"key": GOOD, "made": 0}, "secondary": {"key": "short", "made": 0}}),
            "secondary is not 43",
        ),
        (
            json.dumps({"primary": {"key": GOOD + "\n", "made": 0}, "secondary": {"key": GOOD, "made": 0}}),
            "primary is not",
        ),
        (json.dumps({name: {"key": GOOD, "made": 0} for name in keys.NAMES}), "both keys are the same"),
        (json.dumps({name: {"key": GOOD, "made": float("inf")} for name in keys.NAMES}), "does not hold the keys"),
        ("[" * 100_000, "does not hold the keys"),
    ],
    ids=["empty", "list", "one", "short", "line break", "same", "made never", "deep"],
)
def test_a_file_of_anything_else_is_refused_and_left(path: Path, content: str, words: str) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeysError, match=f"{words}.*: remove it, and new ones are made"):
        keys.read_or_make(path)
    assert path.read_text() == content


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeysError, match="Not a directory: give another file with --keys"):
        keys.read_or_make(tmp_path / "file" / "keys.json")
    with pytest.raises(KeysError, match=r"Is a directory|not a regular file"):
        keys.read_or_make(tmp_path)


def test_a_fingerprint_tells_keys_apart() -> None:
    assert Key("a", 0).fingerprint == Key("a", 1).fingerprint != Key("b", 0).fingerprint
