"""The manifests of examples/kubernetes, by the published schemas of several Kubernetes versions, and by what this tree does."""

import re

import kubernetes_validate
import pytest
import yaml
from source_tree import SOURCE

FOLDER = SOURCE / "examples/kubernetes"
VERSIONS = ("1.26", "1.30", kubernetes_validate.latest_version())


def manifests():
    """kind -> the object; each kind is there once."""
    found = [each for path in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]
    assert sorted(each["kind"] for each in found) == ["DaemonSet", "Namespace", "Pod", "RuntimeClass"]
    return {each["kind"]: each for each in found}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["Namespace", "DaemonSet", "RuntimeClass", "Pod"])
def test_manifest_is_one_of_kubernetes(kind, version):
    kubernetes_validate.validate(manifests()[kind], version, strict=True)


def test_schemas_find_what_is_wrong():
    pod = manifests()["Pod"]
    pod["spec"]["runtimeClass"] = "bartizan"
    with pytest.raises(kubernetes_validate.ValidationError, match="runtimeClass"):
        kubernetes_validate.validate(pod, VERSIONS[-1], strict=True)


def test_names_are_those_of_runtime_and_plugin():
    """A pod of the example finds its class, the class its handler, and the resource is one that the plugin offers."""
    found = manifests()
    assert found["Pod"]["spec"]["runtimeClassName"] == found["RuntimeClass"]["metadata"]["name"]
    engines = (SOURCE / "src/runtime/engines.cpp").read_text()
    assert f'".{found["RuntimeClass"]["handler"]}]' in engines
    offered = re.search(r"^RESOURCES = \((.*?)\)", (SOURCE / "python/bartizan/device_plugin/_places.py").read_text(), re.M).group(1)
    asked = [name for name in found["Pod"]["spec"]["containers"][0]["resources"]["limits"] if "/" in name]
    assert asked and all(f'"{name.removeprefix("bartizan.dev/")}"' in offered for name in asked)


def test_daemon_set_sees_what_the_plugin_needs():
    spec = manifests()["DaemonSet"]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    mounted = {volume["hostPath"]["path"] for volume in spec["volumes"]}
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == mounted == {"/var/lib/kubelet/device-plugins", "/sys/fs/cgroup"}
    program = (SOURCE / "python/bartizan/device_plugin/__main__.py").read_text()
    assert '"/var/lib/kubelet/device-plugins"' in program
    assert all(f'"{word}"' in program for word in container["args"] if word.startswith("--"))
    assert (FOLDER / "Containerfile").read_text().rstrip().endswith('ENTRYPOINT ["python3", "-m", "bartizan.device_plugin"]')
