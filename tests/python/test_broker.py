"""Broker, registration, audit; evidence sources and log sinks that are Python functions."""

import pathlib
import threading

import bartizan
import pytest
from bartizan_fixtures import certificate

WORKLOAD = {"id": "w", "workload_digest": bytes(32), "measurements": [bytes(48)], "disk_key": b"key", "allow_simulated": True}


@pytest.fixture
def broker(tmp_path):
    with bartizan.Broker(tmp_path / "state", port=0) as running:
        yield running


def access(broker):
    return {"url": broker.url, "ca_pem": broker.ca_pem, "admin_token": broker.admin_token_path.read_bytes().strip()}


def test_register_and_audit(broker):
    bartizan.register_workload(**access(broker), **WORKLOAD)
    (entry,) = bartizan.broker_audit(**access(broker), workload_id="w")
    assert (entry["decision"], entry["address"], entry["workload"]) == ("registered", "127.0.0.1", "w")
    chain = bartizan.verify_audit(broker.admin_token_path.parent)
    assert chain["entries"] == 1 and chain["outside"] == 0 and len(chain["head"]) == 64
    with pytest.raises(bartizan.NotFound, match="no store"):
        bartizan.verify_audit("/nonexistent")


def test_a_state_folder_is_backed_up_checked_and_restored(broker, tmp_path):
    bartizan.register_workload(**access(broker), **WORKLOAD)
    state, other = broker.admin_token_path.parent, tmp_path / "other"
    bartizan.backup_broker(state, tmp_path / "backup")
    with pytest.raises(bartizan.AlreadyExists):
        bartizan.backup_broker(state, tmp_path / "backup")
    with pytest.raises(bartizan.AlreadyExists, match="holds a broker"):
        bartizan.restore_broker(state, tmp_path / "backup")
    bartizan.restore_broker(other, tmp_path / "backup")
    checked = bartizan.check_broker(other)
    assert checked["good"] and {check["name"] for check in checked["checks"]} == {"store", "audit", "files", "certificates"}
    (other / "tls.key").chmod(0o644)
    assert not bartizan.check_broker(other)["good"]
    with pytest.raises(bartizan.NotFound):
        bartizan.check_broker(tmp_path)
    with bartizan.Broker(other, port=0) as second:
        assert [one["id"] for one in bartizan.list_workloads(**access(second))] == ["w"]


def test_tokens_have_scopes(broker):
    token = bartizan.create_token(**access(broker), name="reader", scope="read", expires=0)
    reader = {**access(broker), "admin_token": token}
    assert bartizan.list_workloads(**reader) == []
    with pytest.raises(bartizan.PermissionDenied, match="needs scope register"):
        bartizan.register_workload(**reader, **WORKLOAD)
    assert [(one["name"], one["scope"]) for one in bartizan.list_tokens(**access(broker))] == [("reader", "read")]
    bartizan.revoke_token(**access(broker), name="reader")
    with pytest.raises(bartizan.PermissionDenied):
        bartizan.list_workloads(**reader)
    with pytest.raises(bartizan.InvalidArgument, match="read, register or admin"):
        bartizan.create_token(**access(broker), name="x", scope="all", expires=0)


def test_registrations_are_listed_replaced_on_demand_and_removed(broker):
    bartizan.register_workload(**access(broker), **WORKLOAD)
    bartizan.register_workload(**access(broker), **WORKLOAD)  # the same values
    with pytest.raises(bartizan.AlreadyExists, match="replace"):
        bartizan.register_workload(**access(broker), **{**WORKLOAD, "disk_key": b"another"})
    other = {**WORKLOAD, "workload_digest": bytes([1] * 32)}
    bartizan.register_workload(**access(broker), **other)
    with pytest.raises(bartizan.AlreadyExists, match="01" * 32):
        bartizan.show_workload(**access(broker), workload_id="w")
    assert bartizan.show_workload(**access(broker), workload_id="01" * 32)["id"] == "w"
    bartizan.register_workload(**access(broker), **other, replace=True)
    (listed,) = bartizan.list_workloads(**access(broker))
    assert (listed["id"], listed["workload_digest"], listed["allow_simulated"]) == ("w", "01" * 32, True)
    assert "disk_key" not in listed
    bartizan.rotate_key(**access(broker), workload_id="w", disk_key=b"another key")
    bartizan.expire_workload(**access(broker), workload_id="w", at=4_000_000_000)
    shown = bartizan.show_workload(**access(broker), workload_id="w")
    assert shown["expires"] == 4_000_000_000 and shown["generation"] == listed["generation"] + 2
    with pytest.raises(bartizan.InvalidArgument):
        bartizan.expire_workload(**access(broker), workload_id="w", at=1 << 60)
    with pytest.raises(bartizan.InvalidArgument, match="4096"):
        bartizan.rotate_key(**access(broker), workload_id="w", disk_key=b"")
    bartizan.unregister_workload(**access(broker), workload_id="w")
    assert bartizan.list_workloads(**access(broker)) == []
    with pytest.raises(bartizan.NotFound):
        bartizan.unregister_workload(**access(broker), workload_id="w")


def test_wrong_token_is_a_permission_error(broker):
    with pytest.raises(PermissionError) as caught:
        bartizan.register_workload(**{**access(broker), "admin_token": b"wrong"}, **WORKLOAD)
    assert caught.value.code == "permission_denied"


def test_wrong_authority_is_a_failed_check(broker, tmp_path):
    with pytest.raises(bartizan.VerificationFailed) as caught:
        bartizan.register_workload(**{**access(broker), "ca_pem": certificate(tmp_path / "other")}, **WORKLOAD)
    assert caught.value.reason == "tls"


def test_closed_broker_is_unreachable_and_says_so(broker):
    before = access(broker)
    broker.close()
    broker.close()
    with pytest.raises(OSError, match="127.0.0.1") as caught:
        bartizan.register_workload(**before, **WORKLOAD)
    assert caught.value.code == "io"
    with pytest.raises(bartizan.InvalidState):
        _ = broker.url


def test_evidence_source_is_asked_on_this_thread_and_its_exception_comes_out(broker):
    threads = []

    def source(report_data):
        assert len(report_data) == 64
        threads.append(threading.current_thread())
        raise KeyError("no device")

    with pytest.raises(KeyError, match="no device"):
        bartizan.request_key(broker.url, broker.ca_pem, "default/disk-key/w", source)
    assert threads == [threading.current_thread()]


def test_evidence_that_is_no_report_is_refused(broker):
    with pytest.raises(bartizan.Error) as caught:
        bartizan.request_key(
            broker.url, broker.ca_pem, "default/disk-key/w", lambda data: bartizan.Evidence("simulated", b"no report")
        )
    assert caught.value.code in ("corrupt", "verification_failed", "protocol", "invalid_argument")


def test_log_sink_that_raises_disturbs_nobody(tmp_path, monkeypatch):
    reported = []
    monkeypatch.setattr("sys.unraisablehook", lambda what: reported.append(what.exc_type))

    def log(level, line):
        raise ZeroDivisionError

    with bartizan.Broker(tmp_path / "state", port=0, log=log) as running:
        with pytest.raises(bartizan.PermissionDenied):  # a refusal, which is logged
            bartizan.register_workload(**{**access(running), "admin_token": b"wrong"}, **WORKLOAD)
        bartizan.register_workload(**access(running), **WORKLOAD)
    assert set(reported) == {ZeroDivisionError}


def test_evidence_that_does_not_parse_is_corrupt():
    with pytest.raises(bartizan.Corrupt):
        bartizan.verify_evidence(bartizan.Evidence("snp", b"x"))


def test_simulated_evidence_is_refused_by_name():
    with pytest.raises(bartizan.VerificationFailed) as caught:
        bartizan.verify_evidence(bartizan.Evidence("simulated", b"x"))
    assert caught.value.reason == "simulated"


def test_a_verdict_has_every_check():
    vendor = pathlib.Path(__file__).parents[1] / "unit/attest/vendor_evidence"
    evidence = bartizan.Evidence("snp", (vendor / "milan-v3-vlek.report.bin").read_bytes(),
                                 [(vendor / "milan-v3-vlek.vlek.der").read_bytes()])
    verdict = bartizan.judge_evidence(evidence, now=1_760_000_000)
    failed = [check.name for check in verdict.checks if check.outcome == "failed"]
    assert not verdict.accepted and failed == ["signer", "vmpl"] and verdict.content.signer == "vlek"
    assert bartizan.show_evidence(evidence) == verdict.content
    with pytest.raises(bartizan.InvalidArgument, match="mesurements"):
        bartizan.judge_evidence(evidence, json='{"version": 1, "mesurements": []}')


def test_evidence_json_that_does_not_parse_is_refused():
    with pytest.raises(bartizan.Error):
        bartizan.Evidence.from_json("{}", "simulated")


def test_noted_heads(tmp_path):
    with bartizan.Broker(tmp_path / "noted", port=0) as broker:
        access = {"url": broker.url, "ca_pem": broker.ca_pem, "admin_token": broker.admin_token_path.read_bytes().strip()}
        heads = []
        for number in (1, 2):
            bartizan.register_workload(**access, id=f"w{number}", workload_digest=bytes([number] * 32), measurements=[bytes(48)], disk_key=b"k" * 32)
            heads.append(bartizan.verify_audit(tmp_path / "noted")["head"])
    assert bartizan.verify_audit(tmp_path / "noted", noted_head=heads[0])["head"] == heads[1]
    with pytest.raises(bartizan.Corrupt, match="noted"):
        bartizan.verify_audit(tmp_path / "noted", noted_head="00" * 32)
    with pytest.raises(bartizan.InvalidArgument, match="noted_head"):
        bartizan.verify_audit(tmp_path / "noted", noted_head="abc")
