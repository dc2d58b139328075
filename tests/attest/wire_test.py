"""The broker's wire format, judged by curl, python's cryptography-free JSON and the `openssl` tool: nothing of ours but the
server. Speaks KBS 0.4.0 as a guest that was written from the specification alone would."""

import argparse
import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unurl64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Server:
    """Our test server program: prints a JSON line with url, ca, token and evidence on request."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.info = json.loads(self.process.stdout.readline())

    def evidence(self, report_data):
        self.process.stdin.write(report_data.hex() + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        return self.process.wait(timeout=20)


def curl(server, folder, path, *options, body=None):
    """(status, headers, body) of one request."""
    ca = folder / "ca.pem"
    ca.write_text(server.info["ca"])
    command = ["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--cacert", ca, "--include",
               *options, server.info["url"] + path]
    if body is not None:
        command[1:1] = ["--data-binary", "@-", "-H", "Content-Type: application/json", "-H", "Expect:"]
    result = subprocess.run(command, input=body, capture_output=True)
    assert result.returncode == 0, (path, result.returncode, result.stderr.decode())
    head, _, content = result.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, content


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True).stdout


def new_key(folder, name):
    """A P-256 key file made by openssl, and its public coordinates."""
    path = folder / name
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    point = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")[-64:]
    return path, {"alg": "ECDH-ES+A256KW", "crv": "P-256", "kty": "EC", "x": url64(point[:32]), "y": url64(point[32:])}


# SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point.
SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200" + "04")


def open_jwe(folder, key, jwe):
    """RFC 7518 §4.6 with openssl's ECDH and `jose`-free arithmetic for the rest (AES key unwrap by single blocks)."""
    header = json.loads(unurl64(jwe["protected"]))
    assert list(header) == ["alg", "enc", "epk"] and list(header["epk"]) == ["crv", "kty", "x", "y"], header
    peer = folder / "peer.der"
    peer.write_bytes(SPKI + unurl64(header["epk"]["x"]) + unurl64(header["epk"]["y"]))
    z = openssl("pkeyutl", "-derive", "-inkey", key, "-peerkey", peer, "-peerform", "DER")
    name = header["alg"].encode()
    info = len(name).to_bytes(4, "big") + name + bytes(4) + bytes(4) + (256).to_bytes(4, "big")
    content_key = unwrap(hashlib.sha256(b"\0\0\0\1" + z + info).digest(), unurl64(jwe["encrypted_key"]))
    iv, text = unurl64(jwe["iv"]), unurl64(jwe["ciphertext"])
    # GCM is CTR from counter 2 (NIST SP 800-38D §7.1); the tag is checked by the C++ tests and by `jose`.
    return openssl("enc", "-aes-256-ctr", "-d", "-K", content_key.hex(), "-iv", (iv + (2).to_bytes(4, "big")).hex(), data=text)


def unwrap(kek, wrapped):
    """RFC 3394 §2.2.2."""
    blocks = [wrapped[i:i + 8] for i in range(0, len(wrapped), 8)]
    a, r = blocks[0], blocks[1:]
    for j in range(5, -1, -1):
        for i in range(len(r), 0, -1):
            t = (int.from_bytes(a, "big") ^ (len(r) * j + i)).to_bytes(8, "big")
            block = openssl("enc", "-aes-256-ecb", "-d", "-nopad", "-K", kek.hex(), data=t + r[i - 1])
            a, r[i - 1] = block[:8], block[8:]
    assert a == b"\xa6" * 8, "content key was not wrapped for us"
    return b"".join(r)


def check_token(folder, token):
    """ES256 by openssl, with the key in the token's own header."""
    header, claims, signature = token.split(".")
    jwk, raw = json.loads(unurl64(header))["jwk"], unurl64(signature)
    r, s = (int.from_bytes(part, "big") for part in (raw[:32], raw[32:]))
    der = openssl("asn1parse", "-genconf", write(folder / "sig.cnf",
                  f"asn1=SEQUENCE:s\n[s]\nr=INTEGER:{r:#x}\ns=INTEGER:{s:#x}\n"), "-noout", "-out", "-")
    write(folder / "sig.der", der)
    write(folder / "token.der", SPKI + unurl64(jwk["x"]) + unurl64(jwk["y"]))
    out = openssl("dgst", "-sha256", "-verify", folder / "token.der", "-keyform", "DER", "-signature", folder / "sig.der",
                  data=f"{header}.{claims}".encode())
    assert b"Verified OK" in out, out
    return json.loads(unurl64(claims))


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def whole_exchange(server, folder):
    auth = json.dumps({"version": "0.4.0", "tee": "bartizan-simulated", "extra-params": {}}).encode()
    status, headers, body = curl(server, folder, "/kbs/v0/auth", body=auth)
    challenge = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert set(challenge) == {"nonce", "extra-params"} and challenge["extra-params"] == "" and len(challenge["nonce"]) == 44
    cookie = headers["Set-Cookie"].split(";")[0]
    name, value = cookie.split("=")
    assert name == "kbs-session-id" and len(unurl64(value)) == 57  # number, expiry, TEE, MAC

    key, jwk = new_key(folder, "guest.pem")
    runtime = {"additional-evidence": "", "nonce": challenge["nonce"], "tee-pubkey": jwk}
    canonical = json.dumps(runtime, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    evidence = server.evidence(hashlib.sha384(canonical.encode()).digest() + bytes(16))
    attest = json.dumps({"init-data": None, "runtime-data": {"nonce": challenge["nonce"], "tee-pubkey": jwk},
                         "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}}).encode()
    status, _, body = curl(server, folder, "/kbs/v0/attest", "-b", cookie, body=attest)
    assert status == 200, body
    token = json.loads(body)["token"]
    claims = check_token(folder, token)
    assert claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"]["runtime_data_claims"]["tee-pubkey"] == jwk

    status, headers, body = curl(server, folder, "/kbs/v0/resource/default/disk-key/one", "-b", cookie)
    jwe = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert set(jwe) == {"protected", "encrypted_key", "iv", "ciphertext", "tag"}
    assert open_jwe(folder, key, jwe) == b"the secret"

    # As guests of Confidential Containers fetch: with the token alone.
    bearer = "Authorization: Bearer " + token
    status, _, body = curl(server, folder, "/kbs/v0/resource/default/disk-key/one", "-H", bearer)
    assert status == 200 and open_jwe(folder, key, json.loads(body)) == b"the secret", body
    status, _, body = curl(server, folder, "/kbs/v0/resource/default/disk-key/one", "-H", bearer[:-9] + "AAAAAAAAA")
    assert status == 401 and json.loads(body)["reason"] == "nonce", body

    status, _, body = curl(server, folder, "/kbs/v0/attest", "-b", cookie, body=attest)
    assert status == 401 and json.loads(body)["reason"] == "nonce", body


def refusals(server, folder):
    old = json.dumps({"version": "0.3.0", "tee": "snp", "extra-params": ""}).encode()
    status, _, body = curl(server, folder, "/kbs/v0/auth", body=old)
    error = json.loads(body)
    assert status == 401 and error["type"].startswith("https://github.com/confidential-containers/kbs/errors/"), error
    assert "0.3.0" in error["detail"] and "\n" not in error["detail"] and error["code"] == "protocol"
    assert curl(server, folder, "/kbs/v0/auth", body=b"{")[0] == 401
    assert curl(server, folder, "/kbs/v0/attest", body=b"{}")[0] == 401
    assert curl(server, folder, "/kbs/v0/nothing")[0] == 404
    assert curl(server, folder, "/bartizan/v1/workloads", body=b"{}")[0] == 403
    assert curl(server, folder, "/kbs/v0/auth", body=b" " * (1024 * 1024 + 1))[0] == 413
    assert curl(server, folder, "/kbs/v0/auth", "-H", "X: " + "x" * 20000, body=b"{}")[0] == 413
    assert curl(server, folder, "/kbs/v0/auth", "-H", "Transfer-Encoding: chunked", body=old)[0] == 401  # read, then refused
    # All of it is sent before curl reads.
    assert curl(server, folder, "/kbs/v0/auth", body=b" " * (4 * 1024 * 1024))[0] == 413
    status, headers, _ = curl(server, folder, "/healthz", "-X", "DELETE")
    assert status == 405 and headers["Allow"] == "GET, HEAD", headers
    assert curl(server, folder, "/healthz")[0] == 200 and curl(server, folder, "/readyz")[0] == 200


def metrics(server, folder):
    status, headers, body = curl(server, folder, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain"), headers
    values = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
    assert values['bartizan_attestations_total{decision="allowed",reason=""}'] == "1", values
    assert int(values['bartizan_attestations_total{decision="refused",reason="nonce"}']) >= 1, values
    assert int(values['bartizan_requests_total{status="2xx"}']) >= 4 and int(values["bartizan_connections"]) >= 1, values
    assert "one" not in body.decode().split(), body


def admin(server, folder):
    token = "Authorization: Bearer " + server.info["token"]
    # Nobody could ever get what no registration has.
    assert curl(server, folder, "/kbs/v0/resource/default/other/two", "-H", token, body=b"raw bytes\0")[0] == 404
    status, headers, body = curl(server, folder, "/kbs/v0/resource/default/disk-key/one", "-H", token, body=b"raw bytes\0")
    assert (status, headers["Content-Type"], body) == (200, "text/xml", b"")
    status, _, body = curl(server, folder, "/bartizan/v1/workloads/one/audit", "-H", token)
    assert status == 200 and {"allowed", "key rotated"} <= {entry["decision"] for entry in json.loads(body)}, body
    assert curl(server, folder, "/bartizan/v1/workloads/one/audit", "-H", token + "0")[0] == 403


def old_tls(server):
    host = server.info["url"].removeprefix("https://")
    for version in ("-tls1_1", "-tls1_2"):
        result = subprocess.run(["openssl", "s_client", "-connect", host, version, "-cipher", "ALL@SECLEVEL=0"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        assert "Cipher is (NONE)" in result.stdout + result.stderr or result.returncode != 0, result.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    server = Server(parser.parse_args().server)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        whole_exchange(server, folder)
        refusals(server, folder)
        metrics(server, folder)
        admin(server, folder)
        old_tls(server)
    return server.stop()


if __name__ == "__main__":
    sys.exit(main())
