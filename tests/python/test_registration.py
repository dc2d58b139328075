"""Registration with brokers that are not ours: what goes over the wire, and what must not come out anywhere."""

import base64
import json
import subprocess
import time

import bartizan
import pytest
from admin_servers import ReferenceKbs, Trustee, make_certificate, openssl
from bartizan_fixtures import BUILD

CLI = BUILD / "src/cli/bartizan"
KEY = b"the disk key of this workload"
DIGEST = bytes(range(32))
MEASUREMENTS = [bytes([number]) * 48 for number in (1, 2, 3)]
WORKLOAD = {"id": "w", "workload_digest": DIGEST, "measurements": MEASUREMENTS, "disk_key": KEY}


@pytest.fixture(scope="module")
def admin(tmp_path_factory):
    """Ed25519 key pair, by openssl: (private PEM, public PEM file)."""
    folder = tmp_path_factory.mktemp("admin")
    private, public = folder / "admin.key", folder / "admin.pub"
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, public


def access(server, **more):
    return {"url": server.url, "ca_pem": server.ca.read_text(), **more}


def register(server, workload=WORKLOAD, **more):
    return bartizan.register_workload(**access(server, **more), **workload)


# ---- Trustee


def test_trustee_gets_policy_values_and_last_the_key(admin, tmp_path):
    with Trustee(tmp_path, admin[1]) as server:
        before = int(time.time())
        register(server, kind="trustee", admin_key=admin[0].read_bytes(), resource_policy=True, admin_issuer="me", admin_audience="kbs")
        assert server.problems == []
        assert server.order == ["resource-policy", "GET", "reference-value", "resource"]
        assert server.resources == {"default/disk-key/w": KEY}
        assert server.values == {"snp_launch_measurement": [one.hex() for one in MEASUREMENTS]}
        for claims in server.tokens:
            assert set(claims) == {"iat", "nbf", "exp", "iss", "aud", "role"}
            assert claims["iss"] == "me" and claims["aud"] == "kbs" and claims["role"] == "admin"
            assert before <= claims["iat"] <= time.time() and claims["exp"] == claims["iat"] + 300
        assert server.policy == bartizan.trustee_resource_policy(id="w", workload_digest=DIGEST, measurements=MEASUREMENTS)


def test_trustee_without_a_token_and_without_reference_values(tmp_path):
    with Trustee(tmp_path) as server:
        register(server, kind="trustee", reference_values=False, keep_resource_policy=True)
        assert server.problems == [] and server.order == ["resource"]


def test_trustee_keeps_the_measurements_of_others(admin, tmp_path):
    """Its list is one for all: the next registration locks nobody out."""
    with Trustee(tmp_path, admin[1]) as server:
        server.values = {"snp_launch_measurement": ["aa" * 48, MEASUREMENTS[0].hex()]}
        register(server, kind="trustee", admin_key=admin[0].read_bytes(), keep_resource_policy=True)
        assert server.problems == [] and server.policy is None
        assert set(server.values["snp_launch_measurement"]) == {"aa" * 48, *(one.hex() for one in MEASUREMENTS)}
        assert len(server.values["snp_launch_measurement"]) == 1 + len(MEASUREMENTS)


@pytest.mark.parametrize("theirs", [{"a": 1}, "x", ["00"] * 5000])
def test_trustee_with_a_list_that_is_none(tmp_path, theirs):
    with Trustee(tmp_path) as server:
        server.values = {"snp_launch_measurement": theirs}
        with pytest.raises(bartizan.Error, match="snp_launch_measurement"):
            register(server, kind="trustee", keep_resource_policy=True)
        assert server.resources == {}


@pytest.mark.parametrize("both", [False, True])
def test_trustee_wants_a_word_about_the_policy(tmp_path, both):
    """Its default policy gives any key to every genuine guest."""
    with Trustee(tmp_path) as server:
        with pytest.raises(bartizan.InvalidArgument, match="keep_resource_policy"):
            register(server, kind="trustee", resource_policy=both, keep_resource_policy=both)
        assert server.requests == []


def test_trustee_behind_a_path_and_with_the_reference_value_of_tdx(admin, tmp_path):
    with Trustee(tmp_path, admin[1], prefix="/api/kbs/v0") as server:
        more = {"kind": "trustee", "admin_key": admin[0].read_bytes(), "tee": "tdx", "admin_role": "", "resource_policy": True}
        bartizan.register_workload(**{**access(server, **more), "url": server.url + "/api/"}, **WORKLOAD)
        assert server.problems == []
        assert server.values == {"mr_td": [one.hex() for one in MEASUREMENTS]}
        assert all("role" not in claims for claims in server.tokens)


def test_trustee_with_a_token_made_elsewhere(tmp_path):
    with Trustee(tmp_path) as server:
        server.answer = lambda body: (200, b"")
        register(server, kind="trustee", admin_token=b"a.b.c\n", keep_resource_policy=True, reference_values=False)
        assert {headers["authorization"] for _, _, headers, _ in server.requests} == {"Bearer a.b.c"}


def test_trustee_refuses_another_administrator(admin, tmp_path):
    other = tmp_path / "other.key"
    openssl("genpkey", "-algorithm", "ed25519", "-out", other)
    with Trustee(tmp_path, admin[1]) as server:
        with pytest.raises(bartizan.Error):
            register(server, kind="trustee", admin_key=other.read_bytes(), keep_resource_policy=True)
        assert server.resources == {}


def test_trustee_policy_says_who_and_what(admin):
    policy = bartizan.trustee_resource_policy(id="w", workload_digest=DIGEST, measurements=MEASUREMENTS)
    assert f'evidence.init_data == "{DIGEST.hex()}"' in policy
    assert "claims.policy_debug_allowed == false" in policy
    assert '["default","disk-key","w"]' in policy
    debug = bartizan.trustee_resource_policy(id="w", workload_digest=DIGEST, measurements=MEASUREMENTS, allow_debug=True)
    assert "debug" not in debug
    tdx = bartizan.trustee_resource_policy(id="w", workload_digest=DIGEST, measurements=MEASUREMENTS, tee="tdx")
    assert f'claims.quote.body.mr_config_id == "{DIGEST.hex()}{"00" * 16}"' in tdx


def claims_of(measurement=MEASUREMENTS[1], **changes):
    """As attestation-service's transform_claims leaves them: init_data stands beside the claims of the TEE."""
    snp = {"measurement": measurement.hex(), "policy_debug_allowed": False, **changes.pop("snp", {})}
    evidence = {"init_data": changes.pop("init_data", DIGEST.hex()), "snp": snp}
    return {"submods": {"cpu0": {"ear.status": "affirming", "ear.veraison.annotated-evidence": evidence, **changes}}}


@pytest.mark.parametrize(
    ("allowed", "claims", "path"),
    [
        (True, claims_of(), "default/disk-key/w"),
        (True, claims_of(MEASUREMENTS[2]), "default/disk-key/w"),
        (False, claims_of(bytes(48)), "default/disk-key/w"),
        (False, claims_of(), "default/disk-key/other"),
        (False, claims_of(init_data=bytes(32).hex()), "default/disk-key/w"),
        (False, claims_of(init_data=None, snp={"init_data": DIGEST.hex()}), "default/disk-key/w"),
        (False, claims_of(snp={"policy_debug_allowed": True}), "default/disk-key/w"),
        (False, claims_of(**{"ear.status": "contraindicated"}), "default/disk-key/w"),
        (False, {"submods": {"cpu0": {"ear.status": "affirming", "ear.veraison.annotated-evidence": {"sample": {}}}}}, "default/disk-key/w"),
        (False, {}, "default/disk-key/w"),
    ],
)
def test_trustee_policy_judged_by_a_rego_interpreter(allowed, claims, path):
    regopy = pytest.importorskip("regopy", reason="no Rego interpreter (regopy)")
    interpreter = regopy.Interpreter()
    interpreter.add_module("policy", bartizan.trustee_resource_policy(id="w", workload_digest=DIGEST, measurements=MEASUREMENTS))
    interpreter.add_data({"plugin": "resource", "resource-path": path.split("/"), "query": {}})
    interpreter.set_input(claims)
    answer = str(interpreter.query("data.policy.allow"))
    assert answer in ('{"expressions":[true]}', '{"expressions":[false]}', "undefined")
    assert (answer == '{"expressions":[true]}') == allowed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tee": "simulated"}, "unsupported"),
        ({"tee": "sev-es"}, "unsupported"),
        ({"measurements": []}, "invalid_argument"),
        ({"measurements": [b"short"]}, "invalid_argument"),
        ({"workload_digest": b"short"}, "invalid_argument"),
        ({"resource": "a/../b"}, "invalid_argument"),
        ({"minimum_tcb": 1}, "invalid_argument"),
        ({"admin_key": b"no PEM"}, "corrupt"),
        ({"disk_key": b""}, "invalid_argument"),
    ],
)
def test_trustee_is_not_asked_for_what_it_cannot_do(changes, code, tmp_path):
    with Trustee(tmp_path) as server:
        with pytest.raises(bartizan.Error) as caught:
            bartizan.register_workload(**{**access(server), **WORKLOAD, "kind": "trustee", "keep_resource_policy": True, **changes})
        assert caught.value.code == code
        assert server.requests == []


# ---- the old form


@pytest.mark.parametrize(("tee", "debug", "bits"), [("snp", False, 3), ("snp", True, 11), ("sev-es", False, 63), ("sev", False, 59), ("sev", True, 58)])
def test_register_workload(tee, debug, bits, tmp_path):
    with ReferenceKbs(tmp_path) as server:
        register(server, {**WORKLOAD, "measurements": MEASUREMENTS[:1]}, kind="register-workload", tee=tee, allow_debug=debug)
        assert server.problems == []
        told = server.workloads["w"]
        assert told["passphrase"] == KEY.decode() and told["launch_measurement"] == MEASUREMENTS[0].hex() and told["bits"] == bits


def test_register_workload_behind_a_path_and_accepted_later(tmp_path):
    with ReferenceKbs(tmp_path, prefix="/some/where") as server:
        one = {**WORKLOAD, "measurements": MEASUREMENTS[:1], "disk_key": 'quote " and ü'.encode()}
        bartizan.register_workload(**{**access(server), "url": server.url + "/some/where"}, kind="register-workload", **one)
        assert server.workloads["w"]["passphrase"] == 'quote " and ü'
        server.answer = lambda body: (202, b"")
        bartizan.register_workload(**{**access(server), "url": server.url + "/some/where"}, kind="register-workload", **one)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"measurements": MEASUREMENTS}, "invalid_argument"),
        ({"measurements": []}, "invalid_argument"),
        ({"disk_key": b"\xff\xfe not text"}, "invalid_argument"),
        ({"tee": "tdx"}, "unsupported"),
        ({"tee": "simulated"}, "unsupported"),
        ({"url": "http://127.0.0.1:1"}, "invalid_argument"),
        ({"url": "https://127.0.0.1:1/a?b"}, "invalid_argument"),
        ({"kind": "nobody"}, "invalid_argument"),
    ],
)
def test_register_workload_is_not_asked_for_what_it_cannot_do(changes, code, tmp_path):
    with ReferenceKbs(tmp_path) as server:
        one = {**access(server), **WORKLOAD, "measurements": MEASUREMENTS[:1], "kind": "register-workload", **changes}
        with pytest.raises(bartizan.Error) as caught:
            bartizan.register_workload(**one)
        assert caught.value.code == code, caught.value
        assert server.requests == []
        assert KEY.decode() not in str(caught.value)


# ---- both

KINDS = [("trustee", Trustee), ("register-workload", ReferenceKbs)]


@pytest.mark.parametrize(("kind", "make"), KINDS)
def test_another_authority_gets_nothing(kind, make, tmp_path):
    other, _, _ = make_certificate(tmp_path / "other")
    with make(tmp_path / "server") as server:
        with pytest.raises(bartizan.VerificationFailed) as caught:
            bartizan.register_workload(**{**access(server), "ca_pem": other.read_text()}, kind=kind, keep_resource_policy=True, **{**WORKLOAD, "measurements": MEASUREMENTS[:1]})
        assert caught.value.reason == "tls"
        assert server.requests == []


@pytest.mark.parametrize(("kind", "make"), KINDS)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 500, 503])
def test_refusals_are_errors_that_name_the_server(kind, make, status, tmp_path):
    with make(tmp_path) as server:
        server.answer = lambda body: (status, b'{"type":"x","detail":"because of the moon"}')
        with pytest.raises(bartizan.Error) as caught:
            register(server, {**WORKLOAD, "measurements": MEASUREMENTS[:1]}, kind=kind, keep_resource_policy=True, reference_values=False)
        assert server.url in str(caught.value) and "moon" in str(caught.value)
        assert len(server.requests) == 1  # no redirect is followed, and nothing is tried twice


@pytest.mark.parametrize(("kind", "make"), KINDS)
@pytest.mark.parametrize("form", [bytes, base64.b64encode, lambda key: key.hex().encode()])
def test_server_that_repeats_the_key_does_not_put_it_into_the_error(kind, make, form, tmp_path):
    with make(tmp_path) as server:
        server.answer = lambda body: (400, json.dumps({"type": "x", "detail": "cannot read " + form(KEY).decode(), "reason": form(KEY).decode()}).encode())
        with pytest.raises(bartizan.Error) as caught:
            register(server, {**WORKLOAD, "measurements": MEASUREMENTS[:1]}, kind=kind, keep_resource_policy=True, reference_values=False)
        text = str(caught.value) + caught.value.reason + caught.value.expected + caught.value.got
        assert form(KEY).decode() not in text and "repeats a secret" in text


# ---- command line


def cli(*arguments):
    return subprocess.run([str(CLI), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def test_command_line_registers_several_measurements(admin, image, key_file, tmp_path):
    with Trustee(tmp_path, admin[1]) as server:
        done = cli("register", image, "--kind", "trustee", "--keep-resource-policy", "--broker", server.url, "--ca", server.ca, "--admin-key", admin[0], "--key-file", key_file,
                   "--tee", "snp", "--measurement", ",".join(one.hex() for one in MEASUREMENTS[:2]), "--measurement", MEASUREMENTS[2].hex(), "--json")
        assert done.returncode == 0, done
        assert server.problems == []
        assert json.loads(done.stdout)["measurements"] == [one.hex() for one in MEASUREMENTS]
        assert server.values["snp_launch_measurement"] == [one.hex() for one in MEASUREMENTS]
        key = key_file.read_bytes().strip()
        assert list(server.resources.values()) == [key]
        assert key.decode() not in done.stdout + done.stderr
    shown = cli("register", image, "--show-policy", "--tee", "snp", "--measurement", MEASUREMENTS[0].hex())
    assert shown.returncode == 0 and "package policy" in shown.stdout and MEASUREMENTS[0].hex() in shown.stdout


def test_our_broker_takes_several_measurements_from_the_command_line(image, key_file, tmp_path):
    with bartizan.Broker(tmp_path / "state", port=0) as broker:
        (tmp_path / "ca.pem").write_text(broker.ca_pem)
        done = cli("register", image, "--broker", broker.url, "--ca", tmp_path / "ca.pem", "--token-file", broker.admin_token_path, "--key-file", key_file,
                   "--tee", "snp", "--measurement", MEASUREMENTS[0].hex(), MEASUREMENTS[1].hex(), "--json")
        assert done.returncode == 0, done
        assert len(json.loads(done.stdout)["measurements"]) == 2


@pytest.mark.parametrize(("option", "text"), [("--measurement", "xyz"), ("--measurement", "abc"), ("--kind", "nobody")])
def test_command_line_names_what_is_malformed(option, text, image, key_file, tmp_path):
    certificate, _, _ = make_certificate(tmp_path)
    done = cli("register", image, "--broker", "https://127.0.0.1:1", "--ca", certificate, "--key-file", key_file, "--measurement", "00", option, text, "--json")
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "invalid_argument" and text in error["message"]
