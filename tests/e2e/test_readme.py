"""What README.md tells a newcomer to type, typed: as it is written, in an empty folder."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
from conftest import LAUNCH_TIME_LIMIT_S, SOURCE

GREETING = "hello from the guest"


def blocks():
    """The shell blocks of the section "By hand"."""
    section = (SOURCE / "README.md").read_text().split("\n## By hand\n")[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S)


@pytest.fixture
def clone(tmp_path):
    """A folder that looks like a clone in which scripts/demo has run, and a home of its own."""
    for name in ("build", "examples", "scripts"):
        (tmp_path / name).symlink_to(SOURCE / name)
    (tmp_path / "home").mkdir()
    return tmp_path


def test_the_example_holds_the_lines_of_the_page():
    _, _, second = blocks()
    assert (SOURCE / "examples/by-hand.sh").read_text().endswith("\n\n" + second)


def start(clone, script):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "BARTIZAN_"))}
    (clone / "script").write_text("set -e\n" + script)
    with open(clone / "said", "w") as said:
        return subprocess.Popen(["bash", "script"], cwd=clone, env={**environment, "HOME": str(clone / "home")},
                                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)


def end(process):
    """All that is left of the session: a broker, a guest."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def said(clone):
    return (clone / "said").read_text(errors="replace")


def test_by_hand(clone):
    first, _, second = blocks()
    first = "".join(line for line in first.splitlines(keepends=True) if not line.startswith(("bartizan up", "bartizan doctor")))
    process = start(clone, first + second)
    try:
        status = process.wait(LAUNCH_TIME_LIMIT_S)
    finally:
        end(process)
    assert status == 0, said(clone)
    assert f"\n{GREETING}\n" in said(clone), said(clone)


def curl(clone, address, process):
    deadline = time.monotonic() + LAUNCH_TIME_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        answer = subprocess.run(["curl", "-s", "--max-time", "10", address], capture_output=True, text=True)
        if answer.returncode == 0:
            return answer.stdout
        time.sleep(1)
    pytest.fail(f"no answer from {address}\n{said(clone)}")


def serve_until_interrupted(clone, script):
    # A shell that is no terminal's ignores SIGINT for what it starts: the command takes its place.
    process = start(clone, re.sub("^bartizan up", "exec bartizan up", script, flags=re.M).replace("bartizan doctor", "bartizan doctor ||:"))
    try:
        assert curl(clone, "http://127.0.0.1:8080/", process) == GREETING + "\n", said(clone)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, said(clone)
    finally:
        end(process)


def test_up_serves_until_interrupted_and_keeps_what_it_made(clone):
    first, lab, _ = blocks()
    assert first.splitlines()[-1].startswith("bartizan up "), first
    serve_until_interrupted(clone, first)
    for step in ("bundle create", "broker --state", "build web-oci", "register", "run"):
        assert f"$ bartizan {step}" in said(clone), said(clone)
    assert "simulated: it protects nothing" in said(clone)
    state = pathlib.Path(clone / "home/.local/state/bartizan")
    assert (state / "bundle/bundle.json").exists() and (state / "broker/ca.pem").exists()
    assert len(list(state.glob("images/*/disk.key"))) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int((state / "port").read_text())))
    # Built anew of the same source: another key and another digest, in the place of the first.
    process = start(clone, lab.replace("bartizan up web-oci", "bartizan up web-oci --memory 600"))
    try:
        process.wait(LAUNCH_TIME_LIMIT_S)
    finally:
        end(process)
    assert f"{GREETING}\n" in said(clone) and "was made before" not in said(clone), said(clone)
