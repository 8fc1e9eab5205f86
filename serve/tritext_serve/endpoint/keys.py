"""The endpoint's keys: a private file in, a mapping of key names to keys out, and a new key for one name at a time.

::

    keys.json (0600) ──► read ──► Keys ──► the edge's routes
                                   │ rotate: one name gets a new key, the other stays as it was
                                   ▼
                          write (temp, fsync, rename), then the routes; clients change over by the other key

A key reaches nothing but that file, the edge's own files and the standard output of whoever asks for it: never a log,
never a command line.
"""

import contextlib
import hashlib
import json
import os
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tritext_serve.errors import KeysError

NAMES = ("primary", "secondary")
KEY_BYTES = 32
# What 256 bit take in url-safe base64. Shorter ones were not made here.
MIN_KEY_CHARACTERS = 43
_URL_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# One rotation at a time: of two at once the later would bring the key back that the former has replaced.
_ROTATING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        secret: What a client sends; never shown.
        made: When it was made, in seconds since 1970.
    """

    secret: str = field(repr=False)
    made: float

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits by which two keys can be told apart without being shown."""
        return hashlib.sha256(self.secret.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Keys(Mapping[str, str]):
    """The live keys: what the edge is to accept, by the name under which it reports a client.

    Attributes:
        entries: Each key by its name, ``primary`` and ``secondary``.
    """

    entries: Mapping[str, Key]

    def __getitem__(self, name: str) -> str:
        return self.entries[name].secret

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def described(self) -> dict[str, dict[str, Any]]:
        """Say of each key when it was made and its fingerprint, and nothing that opens anything."""
        return {name: {"made": key.made, "fingerprint": key.fingerprint} for name, key in self.entries.items()}


def make() -> Keys:
    """Make both keys."""
    return Keys({name: _new_key() for name in NAMES})


def rotate(keys: Keys, which: str) -> Keys:
    """Give one name a new key; the other name's stays.

    Raises:
        KeysError: there is no such name.
    """
    if which not in keys.entries:
        raise KeysError(f"no key {which!r}: there are {' and '.join(keys)}")
    return replace(keys, entries={**keys.entries, which: _new_key()})


def read_or_make(path: Path) -> Keys:
    """Read the keys, or make them where there are none.

    Raises:
        KeysError: the file cannot be read or made, others can read it, or it holds something else.
    """
    try:
        return read(path)
    except FileNotFoundError:
        pass
    keys = make()
    with contextlib.suppress(FileExistsError):  # made by another process meanwhile: then that one's count
        _put(path, keys, replace_old=False)
    return read(path)


def read(path: Path) -> Keys:
    """Read the keys.

    Raises:
        FileNotFoundError: there are none.
        KeysError: others can read or exchange the file, or it holds something else.
    """
    try:
        # Not to wait where it is a pipe: that is refused below.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            _check_private(path, os.fstat(file.fileno()))
            data = file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}: give another file with --keys") from error
    return _parse(data, path)


def write(path: Path, keys: Keys) -> None:
    """Put the keys in the place of those that were there, at once or not at all.

    Raises:
        KeysError: the folder cannot be written to.
    """
    _put(path, keys, replace_old=True)


def handle(request: Mapping[str, Any], path: Path, publish: Callable[[Keys], None]) -> dict[str, Any]:
    """Answer the control socket's verbs ``keys`` and ``rotate``.

    Args:
        request: ``{"verb": "keys"}``, or ``{"verb": "rotate", "key": NAME}``.
        path: Where the endpoint's keys lie.
        publish: Makes the edge accept these keys and no others; what it raises leaves the old ones in service.

    Returns:
        ``{"ok": True, "path": …, "keys": {NAME: {"made": SECONDS, "fingerprint": …}}}``; no key.

    Raises:
        KeysError: there is no such key, or the file cannot be used.
    """
    if request.get("verb") == "rotate":
        with _ROTATING:
            keys = _rotate_in_service(_read_in_service(path), str(request.get("key")), path, publish)
    else:
        keys = _read_in_service(path)
    return {"ok": True, "path": str(path), "keys": keys.described()}


def _read_in_service(path: Path) -> Keys:
    """Read the keys of an endpoint that runs: new ones would be none that its edge takes."""
    try:
        return read(path)
    except FileNotFoundError as error:
        raise KeysError(f"{path}: is gone: put it back, or start the endpoint again") from error


def _rotate_in_service(keys: Keys, which: str, path: Path, publish: Callable[[Keys], None]) -> Keys:
    new = rotate(keys, which)
    write(path, new)  # before the edge: a key that is accepted must be found in the file
    try:
        publish(new)
    except BaseException:
        write(path, keys)
        raise
    return new


def _new_key() -> Key:
    return Key(secrets.token_urlsafe(KEY_BYTES), round(time.time(), 3))


def _put(path: Path, keys: Keys, *, replace_old: bool) -> None:
    """Write a file beside it first, so that nobody ever sees half of one.

    Raises:
        FileExistsError: there is one, and it is not to be replaced.
        KeysError: the folder cannot be written to.
    """
    target = path.resolve()  # where it is a link, the file that it leads to
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = _write_beside(target, keys)
        try:
            if replace_old:
                temporary.replace(target)
            else:
                target.hardlink_to(temporary)  # which refuses where a rename would overwrite
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}: give another file with --keys") from error


def _write_beside(target: Path, keys: Keys) -> Path:
    """Write the keys into a new file of this user's alone, on disk when this returns."""
    content = {name: {"key": key.secret, "made": key.made} for name, key in keys.entries.items()}
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink()
        raise
    return Path(name)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_private(path: Path, found: os.stat_result) -> None:
    """Refuse a file that others can read, or that they can put another in the place of."""
    if not stat.S_ISREG(found.st_mode):
        raise KeysError(f"{path}: not a regular file: give another with --keys")
    if found.st_uid not in (os.getuid(), 0):
        raise KeysError(f"{path}: belongs to user {found.st_uid}: chown it to this user, or give another with --keys")
    if found.st_mode & _OF_OTHERS:
        raise KeysError(f"{path}: others can read it (mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 {path}")
    folder = path.resolve().parent
    mode = folder.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        raise KeysError(
            f"{folder}: others can exchange the keys in it (mode {stat.S_IMODE(mode):04o}): chmod 700 {folder}"
        )


def _parse(data: bytes, path: Path) -> Keys:
    remedy = "remove it, and new ones are made"
    try:
        content = json.loads(data)
        keys = Keys({name: Key(str(content[name]["key"]), _moment(content[name]["made"])) for name in NAMES})
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise KeysError(f"{path}: does not hold the keys {' and '.join(NAMES)}: {remedy}") from error
    for name, secret in keys.items():
        if len(secret) < MIN_KEY_CHARACTERS or not _URL_SAFE.issuperset(secret):
            raise KeysError(f"{path}: {name} is not {MIN_KEY_CHARACTERS} or more url-safe characters: {remedy}")
    if len(set(keys.values())) < len(keys):
        raise KeysError(f"{path}: both keys are the same: {remedy}")
    return keys


def _moment(value: Any) -> float:
    """Read seconds since 1970, of which a calendar can be asked."""
    time.gmtime(value)
    return float(value)
