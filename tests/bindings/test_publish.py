"""The example in each language, and the command line: one archive on a base image, registered with Trustee's KBS."""

import json
import subprocess
import sys

import bartizan
import pytest
from admin_servers import Trustee, openssl
from bartizan_fixtures import BUILD, SOURCE

CLI = BUILD / "src/cli/bartizan"
MEASUREMENT = "5a" * 48


def by_command_line(source, base, output, url, ca, admin_key, measurement, workload):
    key = output.with_suffix(".key")
    build = [CLI, "build", source, "-o", output, "--base-image", base, "--id", workload, "--key-out", key,
             "--broker", "https://10.0.2.2:8443", "--broker-ca", ca]
    register = [CLI, "register", output, "--kind", "trustee", "--broker", url, "--ca", ca, "--admin-key", admin_key, "--key-file", key,
                "--tee", "snp", "--measurement", measurement, "--resource-policy"]
    return [build, register]


EXAMPLES = {
    "c++": lambda *words: [[BUILD / "examples/cpp/publish_cpp", *words[:-1]]],
    "c": lambda *words: [[BUILD / "examples/c/publish_c", *words]],
    "python": lambda *words: [[sys.executable, SOURCE / "examples/python/publish.py", *words[:-1]]],
    "command line": by_command_line,
}


@pytest.mark.parametrize("interface", EXAMPLES)
def test_example_publishes(interface, layout, tmp_path):
    key, public = tmp_path / "admin.key", tmp_path / "admin.pub"
    openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", public)
    output = tmp_path / "image.tar"
    with Trustee(tmp_path / "trustee", public) as trustee:
        for command in EXAMPLES[interface](layout, layout, output, trustee.url, trustee.ca, key, MEASUREMENT, "published"):
            done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done
        assert trustee.problems == []
        info = bartizan.inspect_image(output)
        (resource, disk_key), = trustee.resources.items()
        assert resource == f"default/disk-key/{info.workload_id}"
        assert trustee.values == {"snp_launch_measurement": [MEASUREMENT]}
        assert info.workload_digest.hex() in trustee.policy
        bartizan.verify_image(output, disk_key)
        inspected = subprocess.run(["skopeo", "inspect", "--config", f"oci-archive:{output}"], capture_output=True, text=True, check=True)
        assert json.loads(inspected.stdout)["config"]["Entrypoint"] == ["/entrypoint"]
        assert len(json.loads(inspected.stdout)["rootfs"]["diff_ids"]) == 2
