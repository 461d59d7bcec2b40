"""A gateway to measure: a folder with one route, the shipped rules and one more, its process, and what the kernel knows."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CONFIG = """\
[server]
listen = "127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:{admin_port}"

[rate_limit]
user_per_minute = 1_000_000
user_burst      = 1_000_000
ip_per_minute   = 1_000_000
ip_burst        = 1_000_000

[[routes]]
name    = "hello"
path    = "/hello"
auth    = "none"
respond = {{ status = 200, json = {{ hello = "world" }} }}
"""

MANIFEST = """\
name        = "stamp"
version     = "1.0.0"
api         = 1
description = "Stamps each answer with the edition of the rule."
mode        = "enforce"
on_error    = "deny"
"""

RULE = """\
// edition {edition}
fn on_request(req) {{
    if req.path_is("/closed/**") {{ deny(403, "closed", "Closed."); }}
}}
fn on_response(req, res) {{
    res.set_header("X-Edition", "{edition}");
}}
"""

ROOT = Path(__file__).resolve().parents[2]

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Gateway:
    """One process in a folder of its own; a context that ends it."""

    def __init__(self, binary):
        self.binary = binary
        self.port = free_port()
        self.admin_port = free_port()
        self.process = None
        self._folder = tempfile.TemporaryDirectory(prefix="pluginmind-measure-")
        self.folder = Path(self._folder.name)
        for shipped in ("plugins", "scripts"):
            shutil.copytree(ROOT / shipped, self.folder / shipped)
        plugin = self.folder / "plugins/stamp"
        plugin.mkdir()
        (self.folder / "config.toml").write_text(CONFIG.format(port=self.port, admin_port=self.admin_port))
        (plugin / "plugin.toml").write_text(MANIFEST)
        self.rule = plugin / "main.rhai"
        self.rule.write_text(RULE.format(edition=0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._folder.cleanup()

    def start(self):
        """Starts it; gives the seconds from the spawn to the first 200 of /ready."""
        command = [str(self.binary), "-c", str(self.folder / "config.toml"), "serve"]
        begun = time.monotonic()
        # Log lines are made and written, to nowhere: the disk of the log is not what is measured.
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", "")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self.is_ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"the gateway ended with {self.process.returncode}")
            if time.monotonic() - begun > 30:
                raise RuntimeError("the gateway is not ready after 30 s")
            time.sleep(0.0005)
        return time.monotonic() - begun

    def stop(self):
        """Ends it and waits for that."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def is_ready(self):
        """Whether /ready is 200 now."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def draft(self, edition):
        """Writes the next edition of the rule beside the rule, ready to be renamed."""
        draft = self.rule.with_name(".main.rhai.draft")
        draft.write_text(RULE.format(edition=edition))
        return draft

    def memory(self):
        """Resident memory now, in MiB: all of it, and the part that no file backs."""
        sizes = {}
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("VmRSS", "RssAnon"):
                sizes[name] = int(value.split()[0]) / 1024
        return sizes["VmRSS"], sizes["RssAnon"]

    def cpu_seconds(self):
        """Processor time used so far, by all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def free_port():
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
