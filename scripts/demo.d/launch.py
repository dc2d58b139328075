"""The conference demo, second half, on a KVM host: launch, attest, serve, look into memory, and four attacks.

Called by demo.py with the work folder; writes results.json there. Needs only Python's own library.
"""

import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from demo import CLI, RunningBroker  # noqa: E402
from show import Claims, say, step, title  # noqa: E402

GUEST_TIME_LIMIT_S = 300  # the lab under load is slow; a guest that hangs must still end
EXIT_CODE = 42


class Relay:
    """The attacker's broker address: forwards every connection to the victim's broker."""

    def __init__(self, port, target):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.target = target
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


def curl(url):
    return subprocess.run(["curl", "--silent", "--show-error", "--insecure", "--max-time", "60", url],
                          capture_output=True, text=True)


class Guest:
    """One `bartizan run`: its result is the JSON that it prints at the end, plus its exit status."""

    def __init__(self, work, facts, image, *extra):
        self.command = [str(CLI), "run", str(image), "--tee", "simulated", "--bundle", str(work / "bundle"),
                        "--memory", str(facts["ram_mib"]), "--stats", "--json",
                        # the owner's broker and the attacker's are both on this machine
                        *[word for port in ("broker_port", "relay_port") for word in ("--allow", f"loopback:{facts[port]}")],
                        *map(str, extra)]
        # What the guest's console and the library say goes to stderr: kept, and shown when a claim fails.
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def end(self):
        try:
            output, _ = self.process.communicate(timeout=GUEST_TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, _ = self.process.communicate()
        self.result = json.loads(output) if output.strip() else {}
        self.status = self.process.returncode
        return self

    def reason(self):
        """The one line that says why."""
        return (self.result.get("exit") or {}).get("detail") or (self.result.get("error") or {}).get("message") or "no reason given"

    def tail(self):
        self.log.seek(0)
        return "".join("    | " + line for line in self.log.readlines()[-15:])


def serve(work, facts, claims):
    title("d. bartizan run: attest, get the key, open the disk, serve")
    url = f"https://127.0.0.1:{facts['published_port']}"
    guest = Guest(work, facts, work / "confidential", "--publish", f"{facts['published_port']}:{facts['guest_port']}",
                  "--find-in-memory", work / "secret", "--log-guest")
    with step("until curl gets an answer from the published port"):
        answer, deadline = curl(url + "/"), time.monotonic() + GUEST_TIME_LIMIT_S
        while answer.returncode != 0 and guest.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
            answer = curl(url + "/")
    claims.add("curl obtains the secret from the attested guest", facts["secret"] in answer.stdout, answer.stderr.strip())
    with step("until the workload has ended"):
        curl(f"{url}/exit?code={EXIT_CODE}")
        guest.end()
    tell_memory_and_exit(guest, claims)
    if guest.status != EXIT_CODE:
        print(guest.tail(), file=sys.stderr)
    return guest


def tell_memory_and_exit(guest, claims):
    found = guest.result.get("found_in_memory") or {}
    stats = guest.result.get("stats") or {}
    refusals = stats.get("private_page_refusals")
    claims.add("the secret is found in raw guest memory", found.get("raw", 0) > 0, f"{found.get('raw')} times")
    claims.add("the secret is not found in the host's view of it", found.get("host") == 0, f"{found.get('host')} times")
    claims.add("the device model touched no private page", refusals == 0, f"{refusals} touched")
    claims.add("the workload's exit code is the command's", guest.status == EXIT_CODE, f"{guest.status}")
    for stage in stats.get("stages", []):
        say(f"{stage['name']:<10} {stage['milliseconds'] / 1000:7.1f} s  {stage['exits']:8d} exits")


def refused(claims, claim, guest, *words):
    """A claim that a launch was refused: at the right stage, with the right reason, and the workload never ran."""
    reason = guest.reason()
    held = guest.status == 125 and all(word in reason for word in words)
    claims.add(claim, held, reason)
    if not held:
        print(guest.tail(), file=sys.stderr)


def flip_byte(work, facts):
    """A copy of the confidential image with one byte of the file system's ciphertext flipped."""
    copy = pathlib.Path(tempfile.mkdtemp()) / "flipped"
    shutil.copytree(work / "confidential", copy)
    info = json.loads(subprocess.run([str(CLI), "inspect", str(copy), "--json"], capture_output=True, text=True, check=True).stdout)
    blob = pathlib.Path(info["disk_path"])
    manifest = json.loads(info["manifest"])
    with open(blob, "r+b") as disk:
        disk.seek(info["disk_offset"] + manifest["disk"]["luks2"]["offset"] + 1024)
        byte = disk.read(1)[0]
        disk.seek(-1, os.SEEK_CUR)
        disk.write(bytes([byte ^ 1]))
    return copy


def attacks(work, facts, claims):
    title("g. Four attacks")
    with step("a flipped byte in the disk"):
        copy = flip_byte(work, facts)
        guest = Guest(work, facts, copy).end()
        shutil.rmtree(copy.parent)
    refused(claims, "attack 1: a flipped byte in the disk is refused", guest, "verity")
    with step("the attacker's own disk and broker address under the same bundle"):
        relay = Relay(facts["relay_port"], facts["broker_port"])
        guest = Guest(work, facts, work / "evil").end()
        relay.close()
    refused(claims, "attack 2: a look-alike gets no key", guest, "broker", "host_data")
    with step("a changed kernel command line"):
        guest = Guest(work, facts, work / "confidential", "--append-cmdline", "mitigations=off").end()
    refused(claims, "attack 3: a changed command line is refused", guest, "broker", "measurement")
    with step("evidence replayed with an old nonce"):
        held, seen = replay(work, facts)
    claims.add("attack 4: replayed evidence is refused", held, seen)


def request(work, facts, path, body=None, headers=None):
    """One HTTPS request to the broker, with its CA as the only one believed: (status, headers, JSON)."""
    context = ssl.create_default_context(cafile=str(work / "broker/ca.pem"))
    call = urllib.request.Request(f"https://127.0.0.1:{facts['broker_port']}{path}", headers=headers or {},
                                  data=None if body is None else json.dumps(body).encode())
    if body is not None:
        call.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(call, context=context, timeout=60) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, json.load(answer)


def recorded_evidence(work, facts):
    """What the good guest sent, from the owner's audit."""
    token = (work / "broker/admin.token").read_text().strip()
    _, _, audit = request(work, facts, f"/bartizan/v1/workloads/{facts['build']['workload_id']}/audit",
                          headers={"Authorization": f"Bearer {token}"})
    return next(entry["evidence"] for entry in audit if entry["decision"] == "allowed")


def open_session(work, facts):
    """(cookie, nonce) of a new attestation session."""
    _, headers, challenge = request(work, facts, "/kbs/v0/auth", {
        "version": "0.4.0", "tee": "bartizan-simulated", "extra-params": {"supported-hash-algorithms": ["sha384"]}})
    return headers["Set-Cookie"].split(";")[0], challenge["nonce"]


# The attacker's own key: any point of P-256 will do, here its generator (SEC 2, secp256r1).
ATTACKERS_KEY = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
                 "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}


def replay(work, facts):
    """The recorded evidence in a new session: with the nonce of an earlier one, and with the new one."""
    evidence = recorded_evidence(work, facts)
    _, old_nonce = open_session(work, facts)
    reasons = []
    for old in (True, False):
        cookie, nonce = open_session(work, facts)
        status, _, answer = request(work, facts, "/kbs/v0/attest", {
            "init-data": None, "runtime-data": {"nonce": old_nonce if old else nonce, "tee-pubkey": ATTACKERS_KEY},
            "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}}, {"Cookie": cookie})
        reasons.append(f"{'old' if old else 'new'} nonce: {status} [{answer.get('reason')}]")
    return [reason.split("[")[1] for reason in reasons] == ["nonce]", "report_data]"], "; ".join(reasons)


def with_broker(work, *acts):
    """Each of `acts` with (work, facts, claims) while the broker runs; then results.json."""
    facts = json.loads((work / "facts.json").read_text())
    claims = Claims()
    # SQLite wants a file system with locks; the shared folder of the lab has none.
    state = pathlib.Path(tempfile.mkdtemp()) / "broker"
    shutil.copytree(work / "broker", state)
    try:
        with RunningBroker(state, facts["broker_port"]):
            for act in acts:
                act(work, facts, claims)
    finally:
        (work / "results.json").write_text(json.dumps(claims.rows))
        shutil.rmtree(state.parent)


if __name__ == "__main__":
    with_broker(pathlib.Path(sys.argv[1]), serve, attacks)
