"""Two key brokers that are not ours, as far as registering goes, written from their documented wire formats alone and strict:
Trustee's KBS (kbs_admin_api, rvps README) and virtee's reference-kbs. Whatever a request has wrong is an answer of status 400."""

import base64
import http.server
import json
import pathlib
import re
import ssl
import subprocess
import threading

SEGMENT = r"[A-Za-z0-9_-]+[A-Za-z0-9_.-]*"


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True).stdout


def unurl64(text):
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def make_certificate(folder):
    """(authority, certificate, key) files, by openssl."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, key = folder / "authority.pem", folder / "key.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "authority.key",
            "-out", authority, "-subj", "/CN=test authority", "-days", "2")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", folder / "request.pem",
            "-subj", "/CN=server")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", folder / "request.pem", "-CA", authority, "-CAkey", folder / "authority.key", "-CAcreateserial",
            "-days", "2", "-extfile", folder / "extensions", "-out", folder / "certificate.pem")
    return authority, folder / "certificate.pem", key


class Server:
    """Serves TLS on a port of its own; `requests` has what came, `answer` overrides what is answered."""

    def __init__(self, folder, check):
        authority, certificate, key = make_certificate(pathlib.Path(folder))
        self.ca = authority
        self.check = check
        self.requests = []
        self.answer = None
        self.problems = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.command, self.path, headers, body))
                status, text = outer.judge(self.command, self.path, headers, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def judge(self, method, path, headers, body):
        if self.answer:
            return self.answer(body)
        try:
            return self.check(method, path, headers, body) or (200, b"")
        except (AssertionError, KeyError, ValueError) as error:
            self.problems.append(f"{method} {path}: {error!r}")
            return 400, json.dumps({"type": "https://github.com/confidential-containers/kbs/errors/X", "detail": "bad request"}).encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Trustee(Server):
    """The admin API: token, resource, reference-value, resource-policy. What was set is in `resources`, `values`, `policy`."""

    def __init__(self, folder, public_key=None, prefix="/kbs/v0"):
        super().__init__(folder, self.check_admin)
        self.folder = pathlib.Path(folder)
        self.public_key, self.prefix = public_key, prefix
        self.resources, self.values, self.policy, self.tokens, self.order = {}, {}, None, [], []

    def check_token(self, headers):
        if self.public_key is None:
            assert "authorization" not in headers
            return
        scheme, token = headers["authorization"].split(" ")
        assert scheme == "Bearer"
        head, claims, signature = token.split(".")
        assert json.loads(unurl64(head)) == {"alg": "EdDSA", "typ": "JWT"}
        (self.folder / "signed").write_text(f"{head}.{claims}")
        (self.folder / "signature").write_bytes(unurl64(signature))
        try:
            openssl("pkeyutl", "-verify", "-pubin", "-inkey", self.public_key, "-rawin", "-in", self.folder / "signed", "-sigfile",
                    self.folder / "signature")
        except subprocess.CalledProcessError as error:
            raise ValueError("signature of the token") from error
        self.tokens.append(json.loads(unurl64(claims)))

    def reference_value(self, path, headers):
        self.check_token(headers)
        name = path.removeprefix(self.prefix + "/reference-value/")
        self.order.append("GET")
        return (200, json.dumps(self.values[name]).encode()) if name in self.values else (404, b"")

    def check_admin(self, method, path, headers, body):
        if method == "GET":
            return self.reference_value(path, headers)
        assert method == "POST"
        assert path.startswith(self.prefix + "/")
        assert set(headers) <= {"host", "content-length", "content-type", "accept", "authorization"}
        self.check_token(headers)
        what = path[len(self.prefix) + 1:]
        self.order.append(what.split("/")[0])
        if what == "reference-value":
            assert headers["content-type"] == "application/json"
            message = json.loads(body)
            assert set(message) == {"version", "type", "payload"} and message["version"] == "0.1.0" and message["type"] == "sample"
            self.values.update(json.loads(base64.b64decode(message["payload"], validate=True)))
        elif what == "resource-policy":
            assert headers["content-type"] == "application/json"
            message = json.loads(body)
            assert set(message) == {"policy"}
            self.policy = unurl64(message["policy"]).decode()
        else:
            assert headers["content-type"] == "application/octet-stream"
            assert re.fullmatch(f"resource/{SEGMENT}/{SEGMENT}/{SEGMENT}", what)
            self.resources[what.removeprefix("resource/")] = body


class ReferenceKbs(Server):
    """POST /kbs/v0/register_workload; what was registered is in `workloads`."""

    def __init__(self, folder, prefix=""):
        super().__init__(folder, self.check_workload)
        self.prefix, self.workloads = prefix, {}

    def check_workload(self, method, path, headers, body):
        assert method == "POST" and path == self.prefix + "/kbs/v0/register_workload"
        assert headers["content-type"] == "application/json"
        assert "authorization" not in headers
        message = json.loads(body)
        assert set(message) == {"workload_id", "launch_measurement", "passphrase", "tee_config"}
        assert all(isinstance(value, str) for value in message.values())
        assert re.fullmatch("([0-9a-f]{2})+", message["launch_measurement"])
        config = json.loads(message["tee_config"])
        assert set(config) == {"flags", "minfw"} and config["minfw"] == {"major": 0, "minor": 0}
        assert set(config["flags"]) == {"bits"} and 0 <= config["flags"]["bits"] < 64
        self.workloads[message["workload_id"]] = message | {"bits": config["flags"]["bits"]}
