"""Fixtures of the end-to-end tests: the folder that prepare.py made, a running broker, and `launch`."""

import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "scripts/demo.d"))
from demo import CLI, RunningBroker  # noqa: E402

LAUNCH_TIME_LIMIT_S = 240  # of one guest, in a lab under load

soak = pytest.mark.skipif(os.environ.get("BARTIZAN_TEST_LEVEL") != "soak", reason="only by scripts/test soak: guests take long")

TEST_TIME_LIMIT_S = 600    # of one test, whatever it waits for


@pytest.fixture(autouse=True)
def no_test_waits_for_ever():
    def give_up(number, frame):
        raise TimeoutError(f"no end after {TEST_TIME_LIMIT_S} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(TEST_TIME_LIMIT_S)
    yield
    signal.alarm(0)


class Ended:
    """A launch that has ended: exit status, the JSON result (standard output), what the workload and the tool said."""

    def __init__(self, process, output, errors):
        self.status = process.returncode
        self.result = json.loads(output) if output.strip() else {}
        self.said = errors  # with --json the workload's output goes to standard error

    @property
    def exit(self):
        return self.result.get("exit") or {}

    def __repr__(self):
        return f"status {self.status}\nresult {json.dumps(self.result)}\nsaid {self.said[-3000:]}"


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def fetch(family, address, kind=socket.SOCK_STREAM, send=b""):
    with socket.socket(family, kind) as client:
        client.settimeout(60)
        client.connect(address)
        client.send(send)
        return client.recv(100)


@pytest.fixture(scope="session")
def work():
    folder = pathlib.Path(os.environ.get("BARTIZAN_E2E", SOURCE / "build/e2e"))
    if not (folder / "facts.json").exists():
        pytest.fail(f"{folder} is not prepared: python3 tests/e2e/prepare.py {folder}")
    return folder


@pytest.fixture(scope="session")
def facts(work):
    return json.loads((work / "facts.json").read_text())


@pytest.fixture(scope="session")
def broker(work, facts, tmp_path_factory):
    # A copy: SQLite wants a file system with locks, the lab's shared folder has none.
    state = tmp_path_factory.mktemp("broker") / "state"
    shutil.copytree(work / "broker", state)
    with RunningBroker(state, facts["broker_port"]) as running:
        yield running


@pytest.fixture
def start(work, facts):
    processes = []

    def start(image, *extra, tee="simulated", key=True, ram_mib=facts["ram_mib"], bundle="bundle", stdin=subprocess.PIPE, prefix=()):
        keys = ["--key-file", work / f"{image if key is True else key}.key"] if key else ["--allow", "loopback"]
        command = [*prefix, CLI, "run", work / image, "--tee", tee, "--bundle", work / bundle, "--memory", ram_mib,
                   "--stats", "--json", *keys, *extra]
        process = subprocess.Popen([str(word) for word in command], stdin=stdin, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def launch(start):
    def launch(image, *extra, stdin="", **options):
        process = start(image, *extra, **options)
        return Ended(process, *process.communicate(stdin, timeout=LAUNCH_TIME_LIMIT_S))

    return launch
