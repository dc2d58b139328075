"""Public headers, README and examples give a user's strictest warnings no cause."""

import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", SOURCE / "include"]
EXAMPLES = sorted((SOURCE / "examples/cpp").glob("*.cpp")) + sorted((SOURCE / "examples/c").glob("*.c"))
HEADERS = sorted(path.name for path in (SOURCE / "include/bartizan").glob("*.hpp"))


def compile_text(language, text):
    compiler = ["g++", "-std=c++20", "-x", "c++"] if language == "c++" else ["gcc", "-std=c99", "-x", "c"]
    return subprocess.run([*compiler, *WARNINGS, "-"], input=text, capture_output=True, text=True)


def snippets():
    return re.findall(r"^```cpp\n(.*?)^```", (SOURCE / "README.md").read_text(), re.M | re.S)


def test_readme_snippet():
    assert snippets()
    headers = "".join(f"#include <bartizan/{name}>\n" for name in HEADERS)
    for snippet in snippets():
        done = compile_text("c++", f"{headers}int snippet() {{\n{snippet}}}\n")
        assert done.returncode == 0, done.stderr


def test_structs_of_options_by_their_first_member():
    """Designated initializers that name one member: the others have defaults of their own."""
    structs = {"MachineOptions": ".name = \"web\"", "BuildOptions": ".source = \"oci\"", "BundleOptions": ".kernel = \"k\"",
               "LuksDisk": ".path = \"disk\"", "VsockPort": ".port = 5", "PublishedPort": ".guest_port = 80",
               "LaunchOptions": ".vcpus = 2", "TeeOptions": ".policy = 1", "MeasureOptions": ".max_vcpus = 2",
               "IdBlockOptions": ".guest_svn = 1", "EvidencePolicy": ".allow_debug = true", "KeyRequest": ".url = \"u\"",
               "BrokerOptions": ".state = \"s\"", "BrokerAccess": ".url = \"u\"", "Workload": ".id = \"w\"",
               "ProbeOptions": ".guest_time_limit_ms = 1", "Evidence": ".report = {1}", "ExitReason": ".code = 1",
               "SevSecret": ".guest_address = 16", "Error": ".message = \"no\""}
    headers = "".join(f"#include <bartizan/{name}>\n" for name in HEADERS)
    uses = "\n".join(f"  (void)bartizan::{name}{{{member}}};" for name, member in structs.items())
    done = compile_text("c++", f"{headers}void all() {{\n{uses}\n}}\n")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example(path):
    done = compile_text("c++" if path.suffix == ".cpp" else "c", path.read_text())
    assert done.returncode == 0, done.stderr
