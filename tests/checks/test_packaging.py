"""What is installed, by whom: the lists of scripts/packages, what scripts/setup says before it acts, what a build without its
libraries says, and what the Python package says of itself."""

import os
import pathlib
import pty
import re
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LEVELS = ("build", "demo", "tests", "full")


def listed(level):
    """Package -> what for."""
    lines = (SOURCE / f"scripts/packages/{level}.txt").read_text().splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


def version():
    return re.search(r"^project\(bartizan VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text(), re.M).group(1)


# ---- scripts/setup

FAKES = {
    # Nothing is installed; what apt is asked for is written down. It answers --assume-no as apt does.
    "dpkg-query": "exit 1",
    "sudo": 'exec "$@"',
    "apt-cache": 'echo "Depends: $3-real"; echo "Size: 5000000"; echo "Installed-Size: 7000"',
    "apt-get": """echo "$@" >> "$CALLS"
        case "$*" in *--assume-no*)
          echo "2 upgraded, 93 newly installed, 0 to remove and 0 not upgraded."
          echo "Need to get 136 MB of archives."
          echo "After this operation, 549 MB of additional disk space will be used."
          exit 1 ;;
        esac""",
}


@pytest.fixture
def setup(tmp_path):
    """scripts/setup of a copy of the tree, beside programs that only pretend."""
    for name in ("scripts/setup", "scripts/packages", "tests/lab/host_kernel.sh"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", SOURCE / name, tmp_path / "tree" / name], check=True)
    (tmp_path / "bin").mkdir()
    for name, text in FAKES.items():
        (tmp_path / "bin" / name).write_text("#!/bin/bash\n" + text + "\n")
        (tmp_path / "bin" / name).chmod(0o755)
    calls = tmp_path / "calls"
    calls.touch()
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:/usr/bin:/bin", "CALLS": str(calls)}

    def setup(*words, answer=None):
        command = [tmp_path / "tree/scripts/setup", *words]
        if answer is None:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            return done.returncode, done.stderr, calls.read_text().splitlines()
        host, terminal = pty.openpty()
        process = subprocess.Popen(command, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
        os.close(terminal)
        os.write(host, answer.encode())
        said = b""
        try:
            while part := os.read(host, 4096):
                said += part
        except OSError:  # its other end is closed
            pass
        return process.wait(), said.decode(), calls.read_text().splitlines()

    return setup


def test_setup_says_what_and_how_much(setup):
    status, said, calls = setup("demo")
    assert status == 0, said
    for words in ("for \"demo\"", "qemu-system-x86", "2 upgraded, 93 newly installed", "136 MB of archives", "549 MB of additional disk"):
        assert words in said, said
    assert [call.split()[0] for call in calls] == ["update", "install", "install"], calls
    assert "--assume-no" in calls[1] and "-y" in calls[2].split()


@pytest.mark.parametrize("answer, goes_on", [("n\n", False), ("\n", True)])
def test_setup_asks_on_a_terminal(setup, answer, goes_on):
    status, said, calls = setup("demo", answer=answer)
    assert "go on?" in said
    assert (status == 0) == goes_on, said
    assert any("-y" in call.split() for call in calls) == goes_on, calls


def test_setup_does_not_ask_when_told(setup):
    status, said, _ = setup("demo", "--yes", answer="")
    assert status == 0 and "go on?" not in said


def test_demo_installs_no_service_no_kernel_and_nothing_of_the_tests(setup):
    _, _, calls = setup("demo")
    installed = set(calls[-1].split())
    assert "build-essential" in installed
    assert not installed & set(listed("tests")), installed & set(listed("tests"))
    assert not [name for name in installed if name.startswith(("linux-image", "docker"))]


def test_tests_unpack_what_would_start_as_a_service_and_install_a_kernel_once(setup):
    _, said, calls = setup("tests", answer="n\n")
    installed = calls[1].split()
    assert "skopeo" in installed and "docker-registry" not in installed, calls
    assert installed.count("linux-image-amd64") == 1
    assert "linux-image-6.12-cloud-amd64" not in installed
    assert "to be installed where the archive has it: linux-image-6.12-cloud-amd64" in said, said
    assert "unpacked into build/tools, not installed: linux-image" not in said, said


def test_hardware_check_gets_a_kernel_that_attests_and_nothing_of_demo_and_tests(setup):
    """Unpacked: a host that has it in /boot might boot it."""
    _, said, calls = setup("hardware", answer="n\n")
    if "linux-image" in said:  # this machine has none of its own
        assert "unpacked into build/tools, not installed: linux-image-6.12-cloud-amd64-real" in said, said
    installed = set(calls[1].split())
    assert installed & set(listed("build")), calls
    assert not installed & (set(listed("hardware")) | set(listed("demo")) | set(listed("tests"))), calls


def test_lists_overlap_only_where_one_is_unpacked():
    everything = [(name, what) for level in LEVELS for name, what in listed(level).items() if not what.startswith("unpacked:")]
    names = [name for name, _ in everything]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
    services = {"docker-registry", "containerd"}  # Debian starts and enables these
    assert not services & set(names)
    assert all(listed("tests")[name].startswith("unpacked:") for name in services)


# ---- what a build says

def test_build_names_every_missing_package_at_once(tmp_path):
    """Headers are looked for below an empty folder alone, so all are missing."""
    done = subprocess.run(["cmake", "-S", SOURCE, "-B", tmp_path / "build", "-DBARTIZAN_PYTHON=ON", f"-DCMAKE_FIND_ROOT_PATH={tmp_path}",
                           "-DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY"], capture_output=True, text=True)
    assert done.returncode != 0
    command = re.search(r"^ *(sudo apt-get install .*)$", done.stderr, re.M).group(1).split()[3:]
    developed = [name for name in listed("build") if name.endswith("-dev")]
    assert set(command) == {*developed, "pybind11-dev", "python3-dev", "libgtest-dev", "libgmock-dev"}
    assert done.stderr.count("CMake Error") == 1, done.stderr


# ---- the Python package

@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metadata")
    script = "import sys; from scikit_build_core.build import prepare_metadata_for_build_wheel as make; make(sys.argv[1])"
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, folder], cwd=SOURCE, check=True, capture_output=True)
    return next(folder.glob("*.dist-info"))


def test_package_has_the_version_of_cmake(metadata):
    assert not re.search(r"^version = ", (SOURCE / "pyproject.toml").read_text(), re.M)  # it is told once
    assert f"\nVersion: {version()}\n" in (metadata / "METADATA").read_text()


def test_package_has_the_licence_and_the_command(metadata):
    assert (metadata / "licenses/LICENSE").read_bytes() == (SOURCE / "LICENSE").read_bytes()
    assert "Version 2.0, January 2004" in (SOURCE / "LICENSE").read_text()
    assert "bartizan = bartizan._command:main" in (metadata / "entry_points.txt").read_text()


@pytest.mark.parametrize("script", ["setup", "demo", "build", "test", "on-kvm-host"])
def test_a_script_explains_itself_before_it_does_anything(script):
    """`scripts/demo --help` used to install packages, and `scripts/test nonsense` everything that tests need."""
    def run(word):
        return subprocess.run([SOURCE / "scripts" / script, word], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    told = run("--help")
    assert told.returncode == 0 and f"scripts/{script}" in told.stdout, told
    for word in ("nonsense", "--nonsense") if script != "on-kvm-host" else ("--nonsense",):
        wrong = run(word)
        assert wrong.returncode == 2 and "nonsense" in wrong.stderr, wrong
