"""A container as crun makes it for its krun handler, for crun_host: an unpacked image and the engine's config.json in it."""

import json
import pathlib
import shutil
import subprocess


class KrunContainer:
    """One root folder, made of an unpacked image; `host` is the program crun_host, `libraries` the folder of ours."""

    def __init__(self, host, libraries, image_root, folder):
        self.host, self.libraries, self.root = host, libraries, pathlib.Path(folder)
        shutil.copytree(image_root, self.root)

    def configure(self, **annotations):
        """As crun writes it into the root folder; members may be changed before the start."""
        config = {
            "ociVersion": "1.0.0",
            "process": {"args": ["/entrypoint"], "cwd": "/", "env": ["PATH=/bin", "container=podman"], "user": {"uid": 0, "gid": 0}},
            "root": {"path": "rootfs"},
            "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}], "resources": {"memory": {"limit": 1 << 30}}},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/run/secrets/key", "type": "bind", "source": "/var/lib/key"}],
            "annotations": {f"org.bartizan.{name.replace('_', '-')}": value for name, value in annotations.items()},
        }
        self.write(config)
        return config

    def write(self, config):
        (self.root / ".krun_config.json").write_text(json.dumps(config))

    def secret(self, content):
        """As an engine mounts one; its path in the container."""
        path = self.root / "run/secrets/key"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return "/run/secrets/key"

    def command(self, version, *words):
        return [str(word) for word in (self.host, version, self.root, *words)]

    def environment(self, settings):
        """Of the engine: the container gets another one."""
        return {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(self.libraries), "BARTIZAN_RUNTIME_CONFIG": str(settings)}

    def start(self, version, settings, *words, environment=None, **streams):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen(self.command(version, *words), env={**self.environment(settings), **(environment or {})}, **streams)
