"""scripts/hardware-check's program where a stock kernel boots: what it does on a host without TEEs is its baseline."""

import json
import os
import re
import subprocess

from conftest import LAUNCH_TIME_LIMIT_S, SOURCE

NO_TEE = 3
STAGES = ["launch", "pid1", "modules", "manifest", "network", "evidence", "broker", "verity", "crypt", "overlay", "workload"]
MEMBERS = {"ok", "exit", "stages", "digest", "evidence_expected"}
DECISION_MEMBERS = {"decision", "reason", "expected", "got", "evidence"}


def strings(value):
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


def check_guest(guest):
    assert guest["ok"] and guest["exit"] == "exited with status 42", guest
    assert sorted(guest["stages"], key=guest["stages"].get) == STAGES


def test_baseline(work):
    done = subprocess.run([SOURCE / "build/dev/src/hardware_check/bartizan-hardware-check"], capture_output=True, text=True,
                          timeout=2 * LAUNCH_TIME_LIMIT_S, env={**os.environ, "BARTIZAN_BUNDLE": str(work / "bundle")})
    report = json.loads(done.stdout)
    offered = [tee["tee"] for tee in report["tees"] if tee["available"]]
    assert done.returncode == NO_TEE or offered, done.stderr
    assert [tee["tee"] for tee in report["tees"]] == ["sev", "sev-es", "snp", "tdx"]

    plain, simulated = report["baseline"]["none"], report["baseline"]["simulated"]
    check_guest(plain)
    check_guest(simulated)
    assert simulated["decision"] == "allowed" and not plain["evidence_expected"], report["baseline"]
    # What we measured before the launch is what the guest's evidence says.
    assert bytes(simulated["evidence"]["attestation_report"]["measurement"]).hex() == simulated["digest"]

    # The report is sent to others: no member that is not known, and of what looks like a key the digests alone.
    assert set(plain) == MEMBERS
    assert set(simulated) == MEMBERS | DECISION_MEMBERS
    digests = [guest["digest"] for guest in (plain, simulated)]
    assert [text for text in strings(report) if re.search("[0-9a-fA-F]{32}|[A-Za-z0-9+/_-]{40}", text) and text not in digests] == []
