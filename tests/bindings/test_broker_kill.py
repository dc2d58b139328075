"""The broker's process ends by SIGKILL while owners register: what was acknowledged is there, all else is whole or absent."""

import http.client
import base64
import json
import os
import random
import signal
import ssl
import subprocess
import threading
import time

from bartizan_fixtures import BUILD

CLI = BUILD / "src/cli/bartizan"
KILLS = 200 if os.environ.get("BARTIZAN_TEST_LEVEL") == "soak" else 10
OWNERS = 4
SECONDS = 60


def command(*arguments):
    done = subprocess.run([str(CLI), *map(str, arguments), "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


class Owner(threading.Thread):
    """Registers one workload after another until the broker is gone."""

    def __init__(self, state, port, prefix):
        super().__init__()
        self.port, self.prefix = port, prefix
        self.context = ssl.create_default_context(cafile=str(state / "ca.pem"))
        self.headers = {"Authorization": "Bearer " + (state / "admin.token").read_text().strip(), "Content-Type": "application/json"}
        self.acknowledged, self.sent = {}, {}

    def run(self):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=SECONDS)
        try:
            for number in range(100_000):
                digest = os.urandom(32).hex()
                key = os.urandom(32)
                workload = {"id": f"{self.prefix}-{number}", "workload_digest": digest, "measurements": [os.urandom(48).hex()], "allow_simulated": True,
                            "resource": f"default/disk-key/{self.prefix}-{number}", "disk_key": base64.b64encode(key).decode()}
                self.sent[digest] = workload
                connection.request("POST", "/bartizan/v1/workloads", json.dumps(workload), self.headers)
                reply = connection.getresponse()
                body = reply.read()
                if reply.status == 429:
                    continue
                assert reply.status == 200, (reply.status, body)
                self.acknowledged[digest] = workload
        except (OSError, http.client.HTTPException):
            pass  # it was killed
        finally:
            connection.close()


def start(state):
    process = subprocess.Popen([str(CLI), "broker", "--json", "--state", str(state), "--listen", "127.0.0.1:0", "--requests-per-second", "100000",
                                "--request-burst", "100000"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    if not line:
        raise AssertionError(process.communicate(timeout=SECONDS))
    return process, json.loads(line)["port"]


def end(process, number):
    process.send_signal(number)
    process.communicate(timeout=SECONDS)


def registered(state, port):
    return {one["workload_digest"]: one for one in command("list", "--broker", f"https://127.0.0.1:{port}", "--ca", state / "ca.pem",
                                                           "--token-file", state / "admin.token")}


def test_a_killed_broker_keeps_what_it_acknowledged(tmp_path):
    state, expected, sent, audited = tmp_path / "state", {}, {}, 0
    chance = random.Random(os.environ.get("BARTIZAN_SEED", time.time_ns()))
    for kill in range(KILLS):
        process, port = start(state)
        owners = [Owner(state, port, f"w{kill}-{number}") for number in range(OWNERS)]
        try:
            for owner in owners:
                owner.start()
            time.sleep(chance.uniform(0.02, 0.4))
        finally:
            end(process, signal.SIGKILL)
        for owner in owners:
            owner.join(SECONDS)
            expected.update(owner.acknowledged)
            sent.update(owner.sent)
        checked = command("broker", "check", "--state", state)  # as it was left
        assert checked["good"], checked
        chain = command("audit-verify", "--state", state)
        assert chain["entries"] >= audited, (chain, audited)  # none is lost again
        audited = chain["entries"]
        process, port = start(state)
        there = registered(state, port)
        end(process, signal.SIGTERM)
        assert process.returncode == 0
        assert not expected.keys() - there.keys(), f"kill {kill}: acknowledged, and lost"
        assert audited >= len(expected)
        for digest, one in there.items():
            assert {name: one[name] for name in ("id", "measurements", "resource")} == {name: sent[digest][name] for name in ("id", "measurements", "resource")}
    assert len(expected) > KILLS  # it was killed while it worked


def test_a_killed_restore_leaves_no_broker(tmp_path):
    """A broker starts from a restored folder, or from none."""
    state, backup = tmp_path / "state", tmp_path / "backup"
    process, port = start(state)
    owner = Owner(state, port, "w")
    owner.start()
    time.sleep(0.3)
    command("broker", "backup", "--state", state, "--output", backup)
    end(process, signal.SIGKILL)
    owner.join(SECONDS)
    chance = random.Random(time.time_ns())
    for kill in range(KILLS):
        restored = tmp_path / f"restored-{kill}"
        process = subprocess.Popen([str(CLI), "broker", "restore", "--state", str(restored), str(backup)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.001, 0.05))
        process.kill()
        process.wait()
        if restored.exists() and not any(restored.iterdir()) or not restored.exists() or (restored / "restoring").exists() \
                or sorted(path.name for path in restored.iterdir()) == ["lock"]:
            if (restored / "restoring").exists():
                refused = subprocess.run([str(CLI), "broker", "--state", str(restored), "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL,
                                         capture_output=True, text=True, timeout=SECONDS)
                assert refused.returncode == 1 and "broker restore` once more" in refused.stderr, refused
            command("broker", "restore", "--state", restored, backup)
        assert command("broker", "check", "--state", restored)["good"]
        assert (restored / "admin.token").read_text() == (state / "admin.token").read_text()
