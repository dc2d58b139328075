"""Fixtures of tests/python and tests/bindings: made once a session, because image and bundle take seconds."""

import glob
import os
import pathlib
import tarfile

import pytest
import tiny_oci

import bartizan

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BARTIZAN_BUILD", SOURCE / "build/dev"))
KEY = b"a disk key for tests, long enough"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bartizan")


@pytest.fixture(scope="session")
def layout(folder):
    return tiny_oci.make_layout(folder / "oci")


@pytest.fixture(scope="session")
def key_file(folder):
    path = folder / "disk.key"
    path.write_bytes(KEY + b"\n")
    return path


@pytest.fixture(scope="session")
def report(folder, layout):
    return bartizan.build_image(
        layout,
        folder / "confidential",
        workload_id="tiny",
        broker_url="https://10.0.2.2:8443",
        broker_ca_pem=certificate(folder / "somebody"),
        disk_key=KEY,
    )


@pytest.fixture(scope="session")
def image(folder, report):
    return folder / "confidential"


@pytest.fixture(scope="session")
def unpacked(folder, image):
    """The image's root folder, as a container runtime would unpack it."""
    info = bartizan.inspect_image(image)
    root = folder / "unpacked"
    with tarfile.open(info.disk_path) as layer:
        layer.extractall(root, filter="tar") if hasattr(tarfile, "data_filter") else layer.extractall(root)
    return root


@pytest.fixture(scope="session")
def bundle(folder):
    kernels = glob.glob("/boot/vmlinuz-*cloud-amd64")
    if not kernels:
        pytest.skip("no Debian cloud kernel under /boot")
    return bartizan.create_bundle(output=folder / "bundle").path


def certificate(state):
    """A certificate authority of its own: the one that a broker makes at its first start."""
    with bartizan.Broker(state, port=0) as broker:
        return broker.ca_pem
