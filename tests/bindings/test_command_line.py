"""What only the command line has: usage errors, help, one line on stderr, secrets that stay out of it; docs/errors.md."""

import errno
import json
import os
import pathlib
import re
import resource
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest
from admin_servers import make_certificate
from bartizan_fixtures import BUILD, KEY, SOURCE
from tiny_oci import make_layout

CLI = BUILD / "src/cli/bartizan"
COMMANDS = ["build", "inspect", "verify", "measure", "bundle", "broker", "register", "audit", "run", "probe", "up", "doctor"]


def run(*arguments, **options):
    return subprocess.run([str(CLI), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **options)


def test_usage_errors_exit_with_2_and_name_the_word():
    for arguments, word in ((["frobnicate"], "frobnicate"), (["inspect"], "IMAGE"), (["run", "x", "--frob"], "--frob")):
        done = run(*arguments)
        assert done.returncode == 2, done
        assert word in done.stderr, done
        assert done.stdout == ""
        error = json.loads(run(*arguments, "--json").stdout)["error"]
        assert error["code"] == "invalid_argument"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command):
    done = run(command, "--help")
    assert done.returncode == 0
    text = run("bundle", "create", "--help").stdout if command == "bundle" else done.stdout
    assert "Examples:" in text
    assert f"bartizan {command}" in text
    assert "--json" in text


def test_help_of_all_names_the_commands_and_the_exit_statuses():
    text = run("--help").stdout
    assert all(command in text for command in COMMANDS)
    assert "Exit status: 0" in text


def test_error_is_one_line_and_its_advice():
    done = run("inspect", "/nonexistent/image")
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert re.fullmatch(r"bartizan: [\w/]+: .*/nonexistent/image.*", first)
    assert second.startswith("  not_found: ")
    assert "\033" not in done.stderr  # no colours but on a terminal


def test_a_file_that_cannot_be_opened_has_the_code_of_its_errno(layout, tmp_path):
    place = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        error = json.loads(run("verify", layout, "--key-file", place, "--json").stdout)["error"]
        assert (error["code"], error["os_errno"]) == ("not_found", errno.ENXIO)
    # The command opens the key and waits for its writer; then no descriptor is left for the certificate.
    key, ca = tmp_path / "key", tmp_path / "ca"
    os.mkfifo(key)
    ca.write_text("certificate")
    command = [CLI, "build", layout, "--output", tmp_path / "out", "--key-file", key, "--broker-ca", ca, "--json"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        with open(key, "wb") as writer:
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, 3))
            writer.write(KEY)
        error = json.loads(process.communicate(timeout=60)[0])["error"]
    assert (error["code"], error["os_errno"]) == ("resource_exhausted", errno.EMFILE)


def test_key_comes_out_in_a_file_of_its_owner_and_nowhere_else(layout, tmp_path):
    done = run("build", layout, "--output", tmp_path / "out", "--key-out", tmp_path / "key", "--json")
    assert done.returncode == 0, done
    key = (tmp_path / "key").read_text().strip()
    assert len(bytes.fromhex(key)) == 32
    assert stat.S_IMODE(os.stat(tmp_path / "key").st_mode) == 0o600
    assert key not in done.stdout + done.stderr
    verified = run("verify", tmp_path / "out", "--key-file", tmp_path / "key")
    assert verified.returncode == 0, verified
    assert "ok: opens the disk" in verified.stdout


def test_build_without_a_place_for_the_key_is_refused_before_work(layout, tmp_path):
    done = run("build", layout, "--output", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "invalid_argument"
    assert not (tmp_path / "out").exists()
    (tmp_path / "key").write_text("old")
    done = run("build", layout, "--output", tmp_path / "out", "--key-out", tmp_path / "key", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "already_exists"
    assert (tmp_path / "key").read_text() == "old"
    assert not (tmp_path / "out").exists()


def test_time_of_an_image_can_come_from_the_environment(layout, tmp_path):
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    done = run("build", layout, "--output", tmp_path / "out.tar", "--key-out", tmp_path / "key", env=environment)
    assert done.returncode == 0, done
    shown = subprocess.run(["skopeo", "inspect", f"oci-archive:{tmp_path / 'out.tar'}"], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["Created"] == "2023-11-14T22:13:20Z"
    done = run("build", layout, "--output", tmp_path / "b", "--key-out", tmp_path / "b.key", "--json", env={**environment, "SOURCE_DATE_EPOCH": "soon"})
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "invalid_argument" and "SOURCE_DATE_EPOCH" in error["message"] and "soon" in error["message"]


def test_archive_goes_when_its_key_cannot_be_kept(layout, tmp_path):
    done = run("build", layout, "--output", f"oci-archive:{tmp_path / 'out'}", "--key-out", tmp_path / "nowhere/key", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "not_found"
    assert list(tmp_path.iterdir()) == []


def test_secret_can_come_by_a_descriptor(image):
    read, write = os.pipe()
    os.write(write, KEY)
    os.close(write)
    done = run("verify", image, "--key-file", f"/dev/fd/{read}", pass_fds=[read])
    os.close(read)
    assert done.returncode == 0, done


@pytest.fixture(scope="module")
def large_layout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "oci"
    make_layout(folder, {"noise": os.urandom(128 << 20)}, level=0)
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("wait", [0, 0.1])
def test_interrupted_build_leaves_nothing(large_layout, tmp_path, number, wait):
    command = [str(CLI), "build", str(large_layout), "-o", str(tmp_path / "out"), "--key-out", str(tmp_path / "key"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(tmp_path.iterdir()):
            time.sleep(0.002)
        time.sleep(wait)
        process.send_signal(number)
        told = json.loads(process.communicate(timeout=120)[0])
    assert told["error"]["code"] == "cancelled", told
    assert process.returncode not in (0, -number)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broker_serves_until_a_signal(tmp_path, number):
    command = [str(CLI), "broker", "--state", str(tmp_path / "state"), "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        told = json.loads(process.stdout.readline())
        assert told["url"] == f"https://127.0.0.1:{told['port']}"
        assert stat.S_IMODE(os.stat(told["admin_token_file"]).st_mode) == 0o600
        access = ["--broker", told["url"], "--ca", told["ca"], "--token-file", told["admin_token_file"]]
        assert json.loads(run("audit", "nobody", *access, "--json").stdout)["error"]["code"] == "not_found"
        process.send_signal(number)
        assert process.wait(30) == 0


@pytest.mark.parametrize("text", ["80", "x:80", "1:2:3:4:99999", "127.0.0.1:80:0"])
def test_malformed_port_is_named(image, text):
    error = json.loads(run("run", image, "--publish", text, "--tee", "none", "--json").stdout)["error"]
    assert error["code"] == "invalid_argument"
    assert text in error["message"]


def test_errors_page_is_what_the_list_says():
    made = subprocess.run([sys.executable, SOURCE / "scripts/make-errors-doc", "--print"], capture_output=True, text=True, check=True).stdout
    assert made == (SOURCE / "docs/errors.md").read_text(), "run scripts/make-errors-doc"


COMPLETE = """source {script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ :; }}
_bartizan
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize("words, found", [
    ("bartizan ver", {"verify"}), ("bartizan bundle cr", {"create"}), ("bartizan build oci --scr", {"--scratch"}),
    ("bartizan bundle create --ini", {"--init"}), ("bartizan run x --tee sim", {"simulated"})])
def test_bash_completes(words, found):
    script = COMPLETE.format(script=SOURCE / "src/cli/generated/bartizan.bash", words=words)
    done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True)
    assert set(done.stdout.split()) == found, done


def test_doctor_tells_what_is_missing_and_what_to_do():
    """Without a KVM device no guest can be launched: the same in its words, its status and its JSON."""
    done = run("doctor", "--kvm-device", "/nonexistent/kvm")
    assert done.returncode == 1, done
    assert re.search(r"^MISSING +kvm .*/nonexistent/kvm", done.stdout, re.M), done.stdout
    assert re.search(r"^ +-> .*kvm_amd", done.stdout, re.M), done.stdout
    assert "This host cannot launch a guest" in done.stdout
    answer = json.loads(run("doctor", "--kvm-device", "/nonexistent/kvm", "--json").stdout)
    assert answer["ready"] is False and answer["tee"] == "none"
    checks = {check["name"]: check for check in answer["checks"]}
    assert checks["kvm"] == {**checks["kvm"], "needed": True, "good": False}
    assert all(check["good"] or check["advice"] for check in answer["checks"]), answer
    assert {tee["tee"] for tee in answer["host"]["tees"]} >= {"simulated", "snp"}


def test_doctor_looks_for_programs_in_the_path(tmp_path):
    (tmp_path / "skopeo").write_text("#!/bin/sh\n")
    for mode, good in ((0o644, False), (0o755, True)):
        (tmp_path / "skopeo").chmod(mode)
        done = run("doctor", "--json", "--kvm-device", "/nonexistent/kvm", env={**os.environ, "PATH": f"/nonexistent:{tmp_path}"})
        found = {check["name"]: check["good"] for check in json.loads(done.stdout)["checks"]}
        assert found["skopeo"] == good and not found["qemu-system-x86_64"], found


def up(layout, state, *words, **options):
    return run("up", layout, "--state", state, "--kvm-device", "/nonexistent/kvm", *words, **options)


def test_up_shows_the_long_form(layout, tmp_path):
    """Each command is one that this program takes, in an order in which one makes what the next one reads."""
    done = up(f"oci:{layout}", tmp_path / "it's", "-p", "8080:80", "--memory", "256", "--dry-run")
    assert done.returncode == 0, done
    lines = [shlex.split(line.removesuffix(" &")) for line in done.stdout.splitlines()]
    assert [" ".join(line[1:3]) if line[1] == "bundle" else line[1] for line in lines] == [
        "bundle create", "broker", "build", "register", "run"]
    assert not (tmp_path / "it's").exists()  # nothing was done
    build, run_line = lines[2], lines[4]
    assert build[2] == str(layout) and build[build.index("--memory") + 1] == "256"
    assert run_line[2] == build[build.index("--output") + 1]
    assert run_line[run_line.index("--publish") + 1] == "8080:80"
    assert "--allow-simulated" in lines[3] and "simulated: it protects nothing" in done.stderr
    # The library takes the lines as they are, as far as they go without a KVM and a broker.
    (tmp_path / "it's/broker").mkdir(parents=True)
    (tmp_path / "it's/broker/ca.pem").write_bytes(make_certificate(tmp_path)[0].read_bytes())
    (tmp_path / "it's/images").mkdir()
    pathlib.Path(run_line[2]).parent.mkdir()
    assert run(*build[1:]).returncode == 0
    assert run("inspect", run_line[2]).returncode == 0


def test_up_is_the_same_in_json(layout, tmp_path):
    steps = json.loads(up(layout, tmp_path / "state", "--dry-run", "--json").stdout)
    words = up(layout, tmp_path / "state", "--dry-run").stdout.splitlines()
    assert [step["command"] for step in steps["steps"]] == words
    assert steps["tee"] == "simulated"


@pytest.mark.parametrize("words, named", [
    (["--tee", "sev"], "snp and simulated"), (["--tee", "sgx"], "sgx"), ([], "/nonexistent/kvm")])
def test_up_refuses_what_cannot_run_before_it_makes_anything(layout, tmp_path, words, named):
    done = up(layout, tmp_path / "state", *words)
    assert done.returncode != 0 and named in done.stderr, done
    assert not (tmp_path / "state").exists()
