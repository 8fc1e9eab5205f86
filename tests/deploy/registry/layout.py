"""A tiny image as a folder: some bytes in, an OCI layout with one layer out."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

KIND = "application/vnd.oci.image."


def write(folder: Path, **texts: str) -> None:
    """Write a layout with an image for each tag, whose one file holds the text."""
    (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    manifests = [
        _image(folder, text) | {"annotations": {"org.opencontainers.image.ref.name": tag}}
        for tag, text in texts.items()
    ]
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}), encoding="utf-8")


def _image(folder: Path, text: str) -> dict[str, Any]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("said")
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    plain = packed.getvalue()
    layer = _blob(folder, f"{KIND}layer.v1.tar+gzip", gzip.compress(plain, mtime=0))
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]}
    config = {"architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": {}}
    described = _blob(folder, f"{KIND}config.v1+json", json.dumps(config).encode())
    manifest = {"schemaVersion": 2, "mediaType": f"{KIND}manifest.v1+json", "config": described, "layers": [layer]}
    return _blob(folder, f"{KIND}manifest.v1+json", json.dumps(manifest).encode())


def _blob(folder: Path, kind: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (folder / "blobs/sha256" / digest).write_bytes(content)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}
