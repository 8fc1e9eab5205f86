"""Which machines the embedded server runs on, and what the others are told."""

import sys

import pytest

from tritext_serve import wheel
from tritext_serve.errors import PlatformError


def test_this_machine_is_accepted_and_every_part_is_there() -> None:
    parts = wheel.find()
    assert parts.binary.is_file()
    assert parts.stub.is_file()
    assert (parts.python_backend / "libtriton_python.so").is_file()
    assert all(folder.is_dir() for folder in parts.libraries)


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "words"),
    [
        ("darwin", "arm64", None, "runs on Linux x86_64, this is darwin arm64"),
        ("linux", "aarch64", (2, 36), "runs on Linux x86_64, this is linux aarch64"),
        ("linux", "x86_64", None, "needs the GNU C library"),
        ("linux", "x86_64", (2, 31), "needs glibc 2.35, this system has 2.31"),
    ],
    ids=["mac", "arm", "musl", "old glibc"],
)
def test_other_machines_are_told_what_they_are_and_what_to_use(
    system: str, machine: str, glibc: tuple[int, int] | None, words: str
) -> None:
    with pytest.raises(PlatformError, match=words) as error:
        wheel.check_platform(system, machine, glibc)
    assert "docker compose" in str(error.value)


def test_a_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "WHEEL", "no-such-distribution")
    with pytest.raises(PlatformError, match=r"pip install 'tritext\[serve\]'"):
        wheel.find()


def test_a_python_without_a_shared_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", type("V", (), {"major": 3, "minor": 99}))
    with pytest.raises(PlatformError, match=r"no libpython3\.99\.so\.1\.0"):
        wheel.libpython_directory()
