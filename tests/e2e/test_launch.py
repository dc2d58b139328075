"""Whole launches of a real guest on a stock kernel. Runs where one boots: scripts/on-kvm-host, else in the lab."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import bartizan
import pytest
from conftest import CLI, LAUNCH_TIME_LIMIT_S, SOURCE, Ended, fetch, resize, soak

MAX_EXITS_TO_PID1 = 10             # none: 3 were reached by hand; QEMU microvm needs 50,000
MAX_EXITS_TO_PID1_SIMULATED = 700  # nearly all are page-state hypercalls


@pytest.mark.parametrize("tee, limit", [("none", MAX_EXITS_TO_PID1), ("simulated", MAX_EXITS_TO_PID1_SIMULATED)])
def test_exit_code_and_exits(launch, tee, limit):
    ended = launch("exit7", tee=tee)
    assert ended.status == 7, ended
    assert ended.exit["kind"] == "exit_code" and ended.exit["code"] == 7
    assert ended.said.count("of the workload's own output") == 3
    assert ended.result["stats"]["exits_to_pid1"] <= limit, ended.result["stats"]
    assert ended.result["stats"]["private_page_refusals"] == 0


def test_process_is_what_the_image_says(launch):
    ended = launch("process", stdin="a line from the caller\n")
    assert ended.status == 0, ended
    said = ended.said.splitlines()
    assert "id 1234 1235 groups 1300 cwd /srv" in said, ended
    assert "env COLOUR=blue" in said and "env EMPTY=" in said
    assert any(line.startswith("env PATH=") for line in said)
    assert 'read /srv/hello.txt: "hello from the disk"' in said
    assert "read /.krun_config.json: ENOENT" in said
    assert "read /secret-of-root: EACCES" in said
    assert 'read /etc/hostname: "bartizan"' in said
    assert "write /srv/new: EACCES" in said
    assert "write /tmp/new: done" in said
    assert "read /proc/1/environ: EACCES" in said
    assert "echo a line from the caller" in said


@soak
def test_input_is_a_pipe_that_ends(launch):
    text = "".join(f"{i * i}\n" for i in range(50_000))
    total = subprocess.run(["sum"], input=text, capture_output=True, text=True, check=True).stdout.split()[0]
    ended = launch("input", stdin=text)
    assert ended.status == 0, ended
    assert "input is a pipe\n" in ended.said, ended
    assert f"all of /dev/stdin: {len(text)} bytes, sum {total}\n" in ended.said, ended


@soak
def test_no_input_has_ended(start):
    process = start("input", stdin=subprocess.DEVNULL)
    ended = Ended(process, *process.communicate(timeout=LAUNCH_TIME_LIMIT_S))
    assert "all of /dev/stdin: 0 bytes, sum 00000" in ended.said, ended


@soak
def test_terminal_becomes_the_workloads_terminal(start):
    host, guest = os.openpty()
    process = start("terminal", stdin=guest)
    os.close(guest)
    os.write(host, b"typed by hand\n")
    ended = Ended(process, *process.communicate(timeout=LAUNCH_TIME_LIMIT_S))
    os.close(host)
    assert ended.status == 0, ended
    assert "input is a terminal\n" in ended.said and "echo typed by hand\n" in ended.said, ended


@pytest.mark.parametrize("user", ["root", pytest.param("nobody", marks=soak)])
def test_workload_reaches_no_service_of_the_boot(launch, work, user):
    """Report, key and signals of a simulated launch whose caller gives the key; output and terminal have their reader."""
    ended = launch(f"ports-{user}", tee="simulated")
    assert ended.status == 0, ended
    answers = [line for line in ended.said.splitlines() if line.startswith("vsock ")]
    assert answers == [f"vsock {port}: ECONNRESET" for port in (1001, 1002, 1003, 1005, 1006, 1007)], ended
    assert (work / f"ports-{user}.key").read_text().strip() not in ended.said


def test_host_has_what_the_manifest_gives_it_and_no_more(start):
    """Built with --host-may output: neither input nor signals but the request to stop reach the workload."""
    host, guest = os.openpty()
    process = start("closed", stdin=guest, tee="none")
    os.close(guest)
    os.write(host, b"typed by the host\n")
    said = wait_for(process, "waiting")
    process.send_signal(signal.SIGHUP)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=LAUNCH_TIME_LIMIT_S)
    os.close(host)
    assert "all of /dev/stdin: 0 bytes, sum 00000" in said and "input is a terminal" not in said, said
    assert Ended(process, output, errors).status == 5, errors


@soak
def test_terminal_has_the_callers_size_and_follows_it(start):
    host, guest = os.openpty()
    resize(host, 33, 101)
    process = start("size", stdin=guest, tee="none")
    os.close(guest)
    said = wait_for(process, "size ")
    assert "size 33 101\n" in said, said
    resize(host, 24, 80)
    process.send_signal(signal.SIGWINCH)
    ended = Ended(process, *process.communicate(timeout=LAUNCH_TIME_LIMIT_S))
    os.close(host)
    assert "size 24 80\n" in ended.said, ended
    assert ended.status == 0, ended


@pytest.fixture
def flood(work, facts):
    """Prints 2.5 MB, more than all buffers on the way hold."""
    command = [CLI, "run", work / "flood", "--tee", "none", "--bundle", work / "bundle", "--memory", facts["ram_mib"],
               "--key-file", work / "flood.key"]
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as process:
        yield process
        process.kill()


def test_reader_that_pauses_gets_every_line(flood):
    said = flood.stdout.readline()
    time.sleep(3)
    assert flood.poll() is None, "the workload waits"
    said += flood.stdout.read()
    assert said == "".join(f"line {i} of the workload's own output\n" for i in range(60000))
    assert flood.wait(LAUNCH_TIME_LIMIT_S) == 0


@soak
def test_guest_whose_output_nobody_reads_can_be_stopped(flood):
    flood.stdout.readline()
    time.sleep(3)
    flood.send_signal(signal.SIGTERM)
    flood.wait(LAUNCH_TIME_LIMIT_S)


def test_sigterm_reaches_the_workload(start):
    """By way of GNU timeout, which passes the signal on twice: to its child, and to the group that the child is in."""
    process = start("term", prefix=["timeout", "--preserve-status", LAUNCH_TIME_LIMIT_S])
    for line in process.stderr:
        if "waiting" in line:
            break
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=LAUNCH_TIME_LIMIT_S)
    ended = Ended(process, output, errors)
    assert "terminated by 15" in errors
    assert errors.count("asked the workload to end, which may take 10 s") == 1, ended
    assert ended.status == 5, ended


def machine(work, image, tee="none", **options):
    context = bartizan.Context(bundle=work / "bundle", **options)
    context.set_tee(tee)
    context.attach_image(work / image, disk_key=(work / f"{image}.key").read_bytes().removesuffix(b"\n"))
    return context


def test_pause(work):
    """No processor runs in it, and a stop ends it: the workload gets its signal and ends by itself."""
    with machine(work, "term") as context:
        context.start()
        context.wait_for("ready", LAUNCH_TIME_LIMIT_S)
        time.sleep(2)
        context.pause()
        exits = context.stats()["exits"]
        time.sleep(2)
        assert context.stats()["exits"] == exits
        context.resume()
        time.sleep(1)
        context.pause()
        context.request_stop(60_000)
        reason = context.wait(LAUNCH_TIME_LIMIT_S)
    assert (reason.kind, reason.code) == (bartizan.ExitKind.exit_code, 5), reason


@soak
def test_twenty_guests_leave_nothing(work):
    def held():
        return [len(os.listdir(f"/proc/self/{what}")) for what in ("fd", "task")]

    held_after = []
    for _ in range(20):
        with machine(work, "exit7") as context:
            context.start()
            assert context.wait(LAUNCH_TIME_LIMIT_S).code == 7
        held_after.append(held())
    assert held_after[1:] == held_after[:1] * 19, held_after


@soak
def test_signal_that_kills_the_workload_is_told(launch):
    ended = launch("abort", tee="none")
    assert (ended.exit["kind"], ended.exit["code"]) == ("signal", signal.SIGABRT), ended
    assert ended.status == 128 + signal.SIGABRT


SCRATCH_BYTES = 32 << 20


def wait_for(process, word):
    seen = []
    limit = threading.Timer(LAUNCH_TIME_LIMIT_S, process.kill)  # ends the loop
    limit.start()
    try:
        for line in process.stderr:
            seen.append(line)
            if word in line:
                return "".join(seen)
    finally:
        limit.cancel()
    pytest.fail(f"never said \"{word}\": {''.join(seen)[-3000:]}")


def flip_every_block(path):
    """One bit in each block that holds something, but for those of the file system's own beginning."""
    with open(path, "r+b") as disk:
        for at in range(4 << 20, SCRATCH_BYTES, 4096):
            disk.seek(at + 100)
            byte = disk.read(1)
            disk.seek(at + 100)
            disk.write(bytes([byte[0] ^ 1]))


def test_scratch_disk_keeps_secrets_and_notices_tampering(start, tmp_path):
    """6 MiB that the workload wrote come back from the disk; the host sees none of the text, and changes none of it unnoticed."""
    scratch = tmp_path / "scratch"
    process = start("scratch", "--scratch", scratch, tee="none")
    said = wait_for(process, "check /srv/big")
    assert "check /srv/big: 1536 blocks, 0 I/O errors, 0 wrong" in said, said
    content = scratch.read_bytes()
    assert len(content) == SCRATCH_BYTES
    assert sum(any(content[at:at + 64]) for at in range(0, len(content), 4096)) > 1536
    assert b"plaintext of the workload" not in content
    flip_every_block(scratch)
    output, errors = process.communicate("go on\n", timeout=LAUNCH_TIME_LIMIT_S)
    ended = Ended(process, output, said + errors)
    last = [line for line in errors.splitlines() if line.startswith("check /srv/big")][-1]
    assert " 0 wrong" in last, ended
    assert " 0 I/O errors" not in last, ended


@soak
def test_scratch_disk_needs_no_name(launch):
    ended = launch("scratch", stdin="go on\n")
    assert ended.said.count("1536 blocks, 0 I/O errors, 0 wrong") == 2, ended
    assert ended.result["stats"]["private_page_refusals"] == 0


def test_scratch_disk_that_the_image_does_not_want_is_refused(launch, tmp_path):
    ended = launch("exit7", "--scratch", tmp_path / "scratch", tee="none")
    assert ended.result["error"]["code"] == "invalid_argument", ended
    assert not (tmp_path / "scratch").exists()


def test_network_reaches_what_it_may_and_is_reached(start):
    """By name one port of the host's loopback, in both families; nothing else of the host. Published: by hand and by itself."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server((address, port), family=family)) for port in (7001, 7002)
                   for address, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))]
        check_network(start, servers[:2])


def check_network(start, unreachable):
    process = start("network", "--allow", "loopback:7002", "--publish", "[::1]:auto", "--publish", "7004:7003/udp",
                    "--publish", "[::1]:7006:7003/udp", tee="none")
    said = wait_for(process, "serve ")
    answers = dict(line.removeprefix("connect ").split(": ") for line in said.splitlines() if line.startswith("connect "))
    refused = "EHOSTUNREACH"
    assert answers == {"10.0.2.2/7001": refused, "10.0.2.2/7002": "done", "10.0.2.77/7001": refused, "169.254.169.254/80": refused,
                       "fd62:7a6e::2/7001": "EACCES", "fd62:7a6e::2/7002": "done"}, said
    for server in unreachable:
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()
    for attempt in range(100):  # it takes PID 1 some time to see it
        try:
            assert fetch(socket.AF_INET6, ("::1", 7003)) == b"hello\n"
            break
        except ConnectionError:
            time.sleep(0.2)
    else:
        pytest.fail("port 7003 was not published by itself")
    assert fetch(socket.AF_INET, ("127.0.0.1", 7004), socket.SOCK_DGRAM, b"hi") == b"hello\n"
    assert fetch(socket.AF_INET6, ("::1", 7006), socket.SOCK_DGRAM, b"end") == b"hello\n"
    output, errors = process.communicate(timeout=LAUNCH_TIME_LIMIT_S)
    ended = Ended(process, output, errors)
    assert ended.status == 0, ended
    assert "may not reach 10.0.2.2 port 7001, the host's loopback: allow" in said + errors, errors


@soak
def test_vsock_port_reaches_a_unix_socket(launch, tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "service"))
    listener.listen()

    def answer():
        peer, _ = listener.accept()
        if peer.recv(4) == b"ping":
            peer.sendall(b"pong")
        peer.close()

    service = threading.Thread(target=answer)
    service.start()
    ended = launch("vsock", "--vsock", f"5000={tmp_path}/service", tee="none")
    service.join()
    listener.close()
    assert 'vsock 5000: "pong"' in ended.said, ended
    assert "vsock 5001: ECONNRESET" in ended.said
    assert ended.said.count("of the workload's own output") == 2000


def test_attested_launch_gets_its_key(launch, broker):
    ended = launch("attested", "--event-fd", 2, key=False)
    assert ended.status == 7, ended
    events = [line for line in ended.said.splitlines() if line.startswith('{"event"')]
    assert events == [f'{{"event":"{name}"}}' for name in ("attested", "ready", "exited")], ended
    names = [stage["name"] for stage in ended.result["stats"]["stages"]]
    stages = ["pid1", "modules", "manifest", "network", "evidence", "broker", "verity", "crypt", "overlay", "workload"]
    assert [name for name in names if name in stages] == stages, names


@pytest.mark.parametrize("image, key, tee, stage, words", [
    ("misregistered", False, "simulated", "crypt", ["disk_key"]),
    ("unregistered", False, "simulated", "broker", ["host_data"]),
    # Tries until its deadline, for a minute.
    pytest.param("unreachable", False, "simulated", "broker", ["https://10.0.2.2", "tries)"], marks=soak),
    ("wrong_ca", False, "simulated", "broker", ["tls"]),
])
def test_launch_without_the_right_to_it_fails_at_its_stage(launch, broker, image, key, tee, stage, words):
    ended = launch(image, key=key, tee=tee)
    assert ended.status == 125, ended
    assert (ended.exit["kind"], ended.exit["stage"]) == ("guest_failure", stage), ended
    assert all(word in ended.exit["detail"] for word in words), ended.exit
    assert "\n" not in ended.exit["detail"]


def test_processor_without_what_keys_need_is_refused(launch):
    """A host clears the bit in the CPUID that it shows; here the kernel does, by a command line that no such host can give."""
    ended = launch("unregistered", "--append-cmdline", "clearcpuid=aes", key=False)
    assert (ended.exit["kind"], ended.exit["stage"]) == ("guest_failure", "manifest"), ended
    assert "[cpuid]" in ended.exit["detail"] and "without aes" in ended.exit["detail"], ended.exit


@soak
def test_registered_image_with_more_memory_is_another_measurement(launch, broker):
    ended = launch("attested", key=False, ram_mib=320)
    detail = ended.exit["detail"]
    assert ended.exit["stage"] == "broker" and "[measurement]" in detail, ended
    assert "vcpus 1, ram_mib 320, kernel " in detail and "differs: ram_mib 320 (the image has 256)" in detail, ended


def test_published_port_in_use_is_an_error_before_launch(launch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = launch("exit7", "--publish", f"{port}:80", tee="none")
    assert ended.result["error"]["code"] == "already_exists", ended
    assert str(port) in ended.result["error"]["message"]


EXAMPLES = {
    "cpp": ["build/dev/examples/cpp/launch_cpp"],
    "c": ["build/dev/examples/c/launch_c"],
    "python": [sys.executable, "examples/python/launch.py"],
}


@pytest.mark.parametrize("language", [pytest.param("cpp", marks=soak), "c", pytest.param("python", marks=soak)])
def test_example_launches(work, facts, language):
    command = [*EXAMPLES[language], str(work / "exit7"), str(work / "bundle"), str(work / "exit7.key")]
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, timeout=LAUNCH_TIME_LIMIT_S)
    assert done.returncode == 7, done
    assert "of the workload's own output" in done.stdout, done
