"""Ordinary OCI images for the demo, made with umoci (and mmdebstrap for nginx): nothing of ours but the server's code."""

import json
import os
import pathlib
import secrets
import shutil
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PORT = 8443  # that both servers listen on, in the guest


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def new_layout(layout):
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:latest")


def add_layer(layout, archive):
    run("umoci", "raw", "add-layer", "--image", f"{layout}:latest", archive)


def tar(archive, folder):
    run("tar", "--create", "--file", archive, "--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--directory", folder, ".")


def https_secret(work, secret):
    """Our server, static, and its secret: two files and /tmp."""
    root = work / "root"
    (root / "tmp").mkdir(parents=True)
    shutil.copy(SOURCE / "build" / os.environ.get("BARTIZAN_PRESET", "dev") / "examples/https-secret/https-secret", root / "https-secret")
    (root / "secret.txt").write_text(secret + "\n")
    tar(work / "root.tar", root)
    layout = work / "ordinary"
    new_layout(layout)
    add_layer(layout, work / "root.tar")
    run("umoci", "config", "--image", f"{layout}:latest", "--config.entrypoint", "/https-secret",
        "--config.env", "GREETING=hello", "--config.workingdir", "/tmp")
    return layout


NGINX = """
worker_processes 1;
events { worker_connections 64; }
http {
  server {
    listen 8443 ssl;
    ssl_certificate /etc/nginx/demo.pem;
    ssl_certificate_key /etc/nginx/demo.key;
    root /srv;
    location = / { try_files /secret.txt =404; }
  }
}
"""

# Ends with the status that it is asked for: the demo proves that a workload's exit code arrives. The request is a
# line of the access log, so that nginx itself stays as Debian ships it.
NGINX_START = """#!/bin/sh
mkfifo /run/log
nginx -c /etc/nginx/demo.conf -g 'daemon off; error_log stderr; pid /run/nginx.pid;' &
tail -n 1 -F /var/log/nginx/access.log 2>/dev/null > /run/log &
while read -r line; do
  case $line in *"/exit?code="*) code=${line##*exit?code=}; code=${code%% *}; nginx -s stop -c /etc/nginx/demo.conf -g 'pid /run/nginx.pid;'; exit "$code" ;; esac
done < /run/log
"""


def nginx(work, secret):
    """Debian's nginx in a root file system made of packages: some 100 MB."""
    cache = SOURCE / "build/nginx-root.tar"
    if not cache.exists():
        run("mmdebstrap", "--variant=essential", "--include=nginx-light", "bookworm", str(cache) + ".partial.tar")
        pathlib.Path(str(cache) + ".partial.tar").rename(cache)
    layout = work / "ordinary"
    new_layout(layout)
    add_layer(layout, cache)
    over = work / "over"
    for folder in ("srv", "etc/nginx"):
        (over / folder).mkdir(parents=True)
    (over / "srv/secret.txt").write_text(secret + "\n")
    (over / "etc/nginx/demo.conf").write_text(NGINX)
    (over / "start").write_text(NGINX_START)
    (over / "start").chmod(0o755)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
        "-subj", "/CN=demo", "-keyout", over / "etc/nginx/demo.key", "-out", over / "etc/nginx/demo.pem")
    tar(work / "over.tar", over)
    add_layer(layout, work / "over.tar")
    run("umoci", "config", "--image", f"{layout}:latest", "--config.entrypoint", "/start")
    return layout


WORKLOADS = {"https-secret": https_secret, "nginx": nginx}


def fresh_secret():
    return "secret-" + secrets.token_hex(16)


def occurrences(needle, layout):
    """How often the needle is found in the blobs of an OCI layout, unpacking what gzip packed."""
    count = 0
    for blob in sorted((layout / "blobs/sha256").iterdir()):
        reader = ["zcat", blob] if blob.read_bytes()[:2] == b"\x1f\x8b" else ["cat", blob]
        piped = subprocess.Popen(reader, stdout=subprocess.PIPE)
        found = subprocess.run(["grep", "--text", "--only-matching", needle], stdin=piped.stdout, capture_output=True)
        piped.wait()
        count += found.stdout.count(b"\n")
    return count


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")
