"""The guest's client through what stands in front of real brokers: a balancer with cookies and headers of its own, a broker that
starts late, is busy or fails, and one that refuses. The proxy is Python's; the broker behind it is ours."""

import argparse
import base64
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from wire_test import Server, openssl

KEY = "the secret"
RESOURCE = "default/disk-key/one"


class Proxy:
    """`answer(number, path)` may answer in the broker's place: (status, body), or "close"; "lose" closes after the broker has
    answered; None lets it through."""

    def __init__(self, folder, broker, answer=lambda number, request: None):
        self.folder, self.broker, self.answer, self.requests = folder, broker, answer, []
        self.upstream = ssl.create_default_context(cadata=broker.info["ca"])
        self.server = None

    def listen(self, port=0):
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                proxy.respond(self)

            do_GET = do_POST = respond

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "proxy.pem", self.folder / "proxy.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self.server.server_port

    def respond(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.requests.append((handler.path, handler.headers.get("Cookie", "")))
        made = self.answer(len(self.requests), handler.path)
        if made == "lose":
            self.forward(handler, body)
            made = "close"
        if made == "close":
            handler.close_connection = True
            return
        if made is None:
            made = self.forward(handler, body)
        status, content, *cookies = made
        handler.send_response(status)
        # As AWS's balancers and their neighbours do; the session's cookie is not the last.
        for name, value in (*(("Set-Cookie", cookie) for cookie in cookies), ("Set-Cookie", "AWSALB=abc/d+e=; Path=/"),
                            ("Set-Cookie", "AWSALBCORS=x; SameSite=None"), ("Vary", "Origin"),
                            ("vary", "Access-Control-Request-Method"), ("Via", "1.1 one"), ("via", "1.1 two")):
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def forward(self, handler, body):
        request = urllib.request.Request(self.broker.info["url"] + handler.path, data=body or None, method=handler.command)
        request.add_header("Content-Type", "application/json")
        if handler.headers.get("Cookie"):
            request.add_header("Cookie", handler.headers["Cookie"])
        try:
            with urllib.request.urlopen(request, context=self.upstream) as response:
                return response.status, response.read(), *response.headers.get_all("Set-Cookie", [])
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def paths(self):
        return [path.rpartition("/kbs/v0/")[2] for path, _ in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def make_certificate(folder):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=proxy",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "proxy.key", "-out", folder / "proxy.pem")


def ask(client, folder, port, limit_ms=30000):
    command = [client, f"https://127.0.0.1:{port}", folder / "proxy.pem", RESOURCE, limit_ms]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)


def balancer(client, folder, broker):
    proxy = Proxy(folder, broker)
    done = ask(client, folder, proxy.listen())
    proxy.close()
    assert done.stdout.strip() == KEY, done
    assert proxy.paths() == ["auth", "attest", f"resource/{RESOURCE}"], proxy.requests
    for _, cookies in proxy.requests[1:]:
        names = {cookie.split("=")[0] for cookie in cookies.split("; ")}
        assert names == {"kbs-session-id", "AWSALB", "AWSALBCORS"}, cookies
        assert "AWSALB=abc/d+e=" in cookies


def what_passes(client, folder, broker):
    """Busy, failing, closing: the handshake begins again, and comes to its end."""
    for made in ((429, b""), (503, b"<html>"), (500, b"{}"), "close"):
        for number in (1, 2, 3):
            proxy = Proxy(folder, broker, lambda count, path: made if count == number else None)
            done = ask(client, folder, proxy.listen())
            proxy.close()
            assert done.stdout.strip() == KEY, (made, number, done)
            if made != "close":  # a request on a connection that was open before is sent again as it is
                assert proxy.paths()[number:] == ["auth", "attest", f"resource/{RESOURCE}"], (made, proxy.requests)
    # The broker took the nonce, and its answer was lost.
    proxy = Proxy(folder, broker, lambda count, path: "lose" if count == 2 else None)
    done = ask(client, folder, proxy.listen())
    proxy.close()
    assert done.stdout.strip() == KEY, done


def late(client, folder, broker):
    """Nobody listens for a second and a half."""
    proxy = Proxy(folder, broker)
    port = proxy.listen()
    proxy.close()
    threading.Timer(1.5, lambda: proxy.listen(port)).start()
    done = ask(client, folder, port)
    proxy.close()
    assert done.stdout.strip() == KEY, done


def never(client, folder, broker):
    proxy = Proxy(folder, broker, lambda count, path: (503, b""))
    start = time.monotonic()
    done = ask(client, folder, proxy.listen(), limit_ms=3000)
    proxy.close()
    assert done.returncode == 1 and "HTTP status 503 (the last of 3 tries)" in done.stderr, done
    assert time.monotonic() - start < 30


def refusals(client, folder, broker):
    """A refusal is never tried again; what the token says is in the message."""
    def url64(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"submods": {"cpu0": {"ear.status": "contraindicated",
                                   "ear.trustworthiness-vector": {"hardware": 97, "executables": 33}}}}
    denied = json.dumps({"type": "https://github.com/confidential-containers/kbs/errors/PolicyDeny",
                         "detail": "Access denied by policy"}).encode()
    tokens = [("e30." + url64(claims) + ".c2ln", "its appraisal: cpu0 contraindicated, executables 33, hardware 97")]
    tokens += [(token, "") for token in ("", "x", "a.b.c", "e30.*.x", f"e30.{url64([])}.x", f"e30.{url64({'submods': 3})}.x",
                                         f"e30.{url64({'submods': {'a': 1}})}.x", "." * 70000)]
    for token, words in tokens:
        def answer(count, path):
            if path.endswith("attest"):
                return 200, json.dumps({"token": token}).encode()
            return (401, denied) if "/resource/" in path else None

        proxy = Proxy(folder, broker, answer)
        done = ask(client, folder, proxy.listen())
        proxy.close()
        assert done.returncode == 1 and "Access denied by policy" in done.stderr and words in done.stderr, done
        assert ("appraisal" in done.stderr) == bool(words), done
        assert proxy.paths() == ["auth", "attest", f"resource/{RESOURCE}"], proxy.requests
    for status in (401, 403, 404, 400, 409):
        proxy = Proxy(folder, broker, lambda count, path: (status, denied))
        assert ask(client, folder, proxy.listen()).returncode == 1
        proxy.close()
        assert proxy.paths() == ["auth"], (status, proxy.requests)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("client")
    chosen = parser.parse_args()
    broker = Server(chosen.server)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_certificate(folder)
        for test in (balancer, what_passes, late, never, refusals):
            test(chosen.client, folder, broker)
    return broker.stop()


if __name__ == "__main__":
    sys.exit(main())
