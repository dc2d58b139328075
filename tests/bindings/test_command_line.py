"""What only the command line has: usage errors, help, one line on stderr, secrets that stay out of it; docs/errors.md."""

import contextlib
import errno
import fcntl
import json
import os
import pty
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios
import time

import bartizan
import pytest
from bartizan_fixtures import BUILD, KEY, SOURCE
from tiny_oci import make_layout

CLI = BUILD / "src/cli/bartizan"
COMMANDS = ["build", "inspect", "verify", "diff", "measure", "bundle", "broker", "register", "unregister", "list", "audit", "run", "probe"]
MOST_COLUMNS = 100


def run(*arguments, **options):
    options = {"stdin": subprocess.DEVNULL, **options} if "input" not in options else options
    return subprocess.run([str(CLI), *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


def test_usage_errors_exit_with_2_and_name_the_word():
    for arguments, word in ((["frobnicate"], "frobnicate"), (["inspect"], "IMAGE"), (["run", "x", "--frob"], "--frob")):
        done = run(*arguments)
        assert done.returncode == 2, done
        assert word in done.stderr, done
        assert done.stdout == ""
        error = json.loads(run(*arguments, "--json").stdout)["error"]
        assert error["code"] == "invalid_argument"


@pytest.mark.parametrize(("arguments", "words"), [
    (["build", "x", "-o", "y"], "--key-out, --key-file or --key-from"),
    (["measure", "--tee", "foo"], "foo"),
    (["run", "{image}", "--publish", "80"], '"80"'),
    (["run", "{image}", "--tee", "foo"], "foo"),
    (["broker", "--state", "{new}", "--listen", "nowhere"], "nowhere"),
    (["verify", "{layout}"], "`bartizan build` makes a confidential one"),
    (["inspect", "{layout}"], "`bartizan build` makes a confidential one"),
    (["build", "-", "-o", "y", "--key-out", "z"], "SOURCE"),
    (["build", "{layout}", "-o", "-", "--key-out", "z"], "--output"),
    (["build", "{layout}", "-o", "x.tar.gz", "--key-out", "z"], "oci:x.tar.gz"),
    (["build", "{layout}", "-o", "y", "--key-out", "-", "--json"], "--key-out"),
    (["bundle", "create", "--init", "/bin/ls", "--output", "{new}"], "static executable"),
    # the unknown word comes first, whatever else is missing
    (["-x"], "-x: no such option"),
    (["biuld"], "biuld: no such command; did you mean build?"),
    (["biuld", "--help"], "did you mean build?"),
    (["help", "biuld"], "did you mean build?"),
    (["bundle", "creat"], "bundle: creat: no such command; did you mean create?"),
    (["build", "--memroy", "5"], "build: --memroy: no such option; did you mean --memory?"),
    (["run", "x", "--mem=5"], "did you mean --memory?"),
    (["measure", "web-cc"], "--image"),
    (["inspect", "one", "two"], '"two": one argument too many'),
    ([], "a command is required"),
    # what podman has
    (["run", "x", "ls", "-la"], '"ls": command and arguments are inside the measured image'),
    (["run", "-e", "A=b", "x"], "-e: no such option, by design: the environment"),
    (["run", "x", "-v", "/a:/b"], "no folder of the host"),
    (["run", "-itd", "x"], "no such option"),
    (["run", "x", "--detach"], "by design"),
    (["run", "--rm", "-it", "--entrypoint", "sh", "x"], "--entrypoint: no such option, by design"),
    *[([verb, "x"], f"{verb}: no such command, by design") for verb in ("exec", "ps", "pull", "logs", "stop", "images", "rm")],
])
def test_one_status_for_a_wrong_command_line(arguments, words, image, layout, tmp_path):
    places = {"image": image, "layout": layout, "new": tmp_path / "new"}
    done = run(*(argument.format(**places) for argument in arguments), cwd=tmp_path)
    assert done.returncode == 2, done
    if "--json" not in arguments:
        assert words in done.stderr and done.stdout == "", done
        assert len(done.stderr.splitlines()) <= 2, done
    else:
        assert words in json.loads(done.stdout)["error"]["message"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["build", "--help"], ["help", "run"], ["inspect", "{image}"],
                                       ["inspect", "{image}", "--json"], ["verify", "{image}"], ["diff", "{image}", "{image}"],
                                       ["measure", "--bundle", "{bundle}"], ["bundle", "inspect", "{bundle}", "--json"], ["probe"], ["probe", "--json"],
                                       ["inspect", "/nonexistent", "--json"], ["-x", "--json"]])
def test_what_cannot_be_written_is_an_error(arguments, image, bundle):
    command = [str(CLI), *(argument.format(image=image, bundle=bundle) for argument in arguments)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode not in (0, -signal.SIGABRT), done
    assert "standard output: write: ENOSPC" in done.stderr
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
    assert closed.returncode != 0 and "standard output: write: EBADF" in closed.stderr, closed


def test_a_closed_stdout_does_not_write_into_the_image(layout, tmp_path):
    command = [str(CLI), "build", str(layout), "-o", str(tmp_path / "out"), "--key-out", str(tmp_path / "key")]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 1, done
    assert run("verify", tmp_path / "out", "--key-file", tmp_path / "key").returncode == 0


def test_version_and_help_in_all_their_forms():
    version = run("--version").stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", version)
    assert run("-V").stdout == run("version").stdout == version
    assert run("help").stdout == run("--help").stdout == run("-h").stdout
    assert run("help", "bundle", "create").stdout == run("bundle", "create", "--help").stdout


def test_json_may_stand_anywhere(image):
    wanted = run("inspect", image, "--json")
    assert wanted.returncode == 0 and json.loads(wanted.stdout)["workload_id"] == "tiny"
    assert run("--json", "inspect", image).stdout == wanted.stdout
    assert json.loads(run("--json", "bundle", "inspect", "/nonexistent").stdout)["error"]["code"] == "not_found"
    assert json.loads(run("bundle", "--json", "inspect", "/nonexistent").stdout)["error"]["code"] == "not_found"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits(command):
    for words in ([command], ["bundle", "create"]) if command == "bundle" else ([command],):
        text = run(*words, "--help").stdout
        assert max(map(len, text.splitlines())) <= MOST_COLUMNS, text


def test_help_fits_a_narrow_terminal():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with subprocess.Popen([str(CLI), "build", "--help"], stdin=subprocess.DEVNULL, stdout=theirs):
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(ours, 65536):
                text += chunk
    os.close(ours)
    options = text.decode().split("Examples:")[0].splitlines()
    assert len(options) > 20 and max(map(len, options)) <= 60, text


def test_key_comes_by_standard_input_and_goes_to_standard_output(layout, image, tmp_path):
    assert run("verify", image, "--key-file", "-", input=KEY.decode()).returncode == 0
    twice = run("build", layout, "-o", tmp_path / "no", "--key-file", "-", "--recovery-file", "-", input="x" * 64)
    assert twice.returncode == 2 and "read for another option" in twice.stderr
    done = run("build", layout, "-o", tmp_path / "out", "--key-out", "-")
    assert done.returncode == 0 and len(bytes.fromhex(done.stdout)) == 32, done
    assert "workload digest" in done.stderr
    assert run("verify", tmp_path / "out", "--key-file", "-", input=done.stdout).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_probe_of_one_tee_has_a_status():
    done = run("probe", "--tee", "simulated", "--kvm-device", "/nonexistent")
    assert done.returncode == 1 and done.stdout.startswith("simulated"), done
    for tee in json.loads(run("probe", "--json").stdout)["tees"]:
        done = run("probe", "--tee", tee["tee"], "--json")
        assert done.returncode == (0 if tee["available"] else 1), done
        assert json.loads(done.stdout)["tee"] == tee["tee"]


def test_colours_and_bars_only_where_they_are_understood(tmp_path):
    def shown(**environment):
        ours, theirs = pty.openpty()
        subprocess.run([str(CLI), "inspect", "/nonexistent"], stdin=subprocess.DEVNULL, stderr=theirs, env={"TERM": "xterm", **environment})
        os.close(theirs)
        text = os.read(ours, 65536)
        os.close(ours)
        return text

    assert b"\033[" in shown() and b"\033[" in shown(NO_COLOR="")
    assert b"\033[" not in shown(NO_COLOR="1") and b"\033[" not in shown(TERM="dumb")


def test_a_workload_is_registered_with_a_key_that_opens_it_and_replaced_on_demand(layout, tmp_path):
    def build(name, *more):
        done = run("build", layout, "-o", tmp_path / name, "--key-out", tmp_path / f"{name}.key", *more)
        assert done.returncode == 0, done

    with bartizan.Broker(tmp_path / "state", port=0) as broker:
        (tmp_path / "ca.pem").write_text(broker.ca_pem)
        access = ["--broker", broker.url, "--ca", tmp_path / "ca.pem", "--token-file", broker.admin_token_path]
        for name in ("one", "two"):
            build(name, "--broker", "https://10.0.2.2:8443", "--broker-ca", tmp_path / "ca.pem")
        build("alone")

        def register(name, *more, key=None):
            return run("register", tmp_path / name, *access, "--key-file", tmp_path / f"{key or name}.key", "--measurement", "5a" * 48, *more)

        wrong = register("one", key="two")
        assert wrong.returncode == 1 and "[disk_key]" in wrong.stderr, wrong
        assert json.loads(run("list", *access, "--json").stdout) == []
        alone = register("alone")
        assert alone.returncode == 2 and "--force" in alone.stderr, alone
        assert register("one").returncode == 0
        assert register("one").returncode == 0
        second = register("two")
        assert second.returncode == 1 and "--replace" in second.stderr, second
        digests = {name: json.loads(run("inspect", tmp_path / name, "--json").stdout)["workload_digest"] for name in ("one", "two")}
        assert digests["one"] in second.stderr and digests["one"] in run("list", *access).stdout
        assert register("two", "--replace").returncode == 0
        (listed,) = json.loads(run("list", *access, "--json").stdout)
        assert listed["workload_digest"] == digests["two"]
        assert "no launch has asked" in run("audit", listed["id"], *access).stdout
        assert run("unregister", listed["id"], *access).returncode == 0
        assert json.loads(run("list", *access, "--json").stdout) == []


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
    make_layout(folder, {"hello": b"", "noise": os.urandom(128 << 20)}, level=0)
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
    assert process.returncode == 128 + number
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
