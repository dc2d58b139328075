"""An OCI layout with one small layer, made by hand: our own tools have no part in it."""

import gzip
import hashlib
import io
import json
import pathlib
import tarfile

FILES = {
    "etc/passwd": b"root:x:0:0:root:/:/hello\n",
    "hello": b"#!/bin/nothing\n",
    "data/secret": b"the quick brown secret jumps over the lazy host\n" * 100,
}


def make_layer(files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for folder in ("etc", "data"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "data/secret"
        archive.addfile(link)
    return raw.getvalue()


def make_layout(folder: pathlib.Path, files=FILES, level=9, architecture="amd64"):
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content, media_type):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layer = make_layer(files)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/hello"], "Env": ["PATH=/"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [put(gzip.compress(layer, level, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    descriptor = put(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder
