"""Processor time per request of two builds, or of one build under two configurations, side by side: each round loads both, one
after the other, in shuffled order."""

import argparse
import http.client
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")

NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{body}"; }} }}
}}
"""

CONFIG = """\
[server]
listen = "127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:{admin_port}"

[cors]
origins = ["https://app.example"]

[rate_limit]
user_per_minute = 1_000_000
user_burst      = 1_000_000
ip_per_minute   = 1_000_000
ip_burst        = 1_000_000

[plugins]
path    = "none"
scripts = "none"

[[services]]
name = "app"
urls = ["http://127.0.0.1:{upstream}"]

[[routes]]
name    = "plain"
path    = "/plain"
auth    = "none"
service = "app"

[[routes]]
name    = "full"
path    = "/full"
auth    = "required"
service = "app"
"""

PASSWORD = "correct horse battery staple"


class Gateway:
    """One build in a folder of its own."""

    def __init__(self, binary, folder, upstream, extra):
        self.port, self.admin_port = free_port(), free_port()
        folder.mkdir()
        config = folder / "config.toml"
        text = CONFIG.format(port=self.port, admin_port=self.admin_port, upstream=upstream)
        config.write_text(f"{text}\n{extra}\n")
        command = [str(binary), "-c", str(config)]
        added = subprocess.run([*command, "users", "add", "alice"], input=f"{PASSWORD}\n", text=True, capture_output=True, check=False)
        if added.returncode:
            sys.exit(f"users add: {added.stderr}")
        self.process = subprocess.Popen([*command, "serve"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)
        self.cookie = self.sign_in()

    def sign_in(self):
        """A session cookie, as a header line."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        body = json.dumps({"username": "alice", "password": PASSWORD})
        connection.request("POST", "/auth/login", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            sys.exit(f"sign-in: {answer.status}")
        return "Cookie: " + answer.getheader("set-cookie").split(";")[0]

    def cpu(self):
        """Seconds of processor time so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    def load(self, path, seconds, connections):
        """Loads it; gives microseconds of processor time per request, and requests per second."""
        before, begun = self.cpu(), time.monotonic()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", self.cookie, f"http://127.0.0.1:{self.port}{path}"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        requests = int(re.search(r"(\d+) requests in", told).group(1))
        if "Non-2xx" in told or "Socket errors" in told:
            sys.exit(f"requests failed:\n{told}")
        return (self.cpu() - before) / requests * 1e6, requests / (time.monotonic() - begun)

    def end(self):
        """Ends it."""
        end(self.process)


def end(process):
    """Ends a process that was started here."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port():
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    """Waits until somebody accepts there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit("nobody listens")


def compare(builds, path, arguments):
    """Rounds over both builds; one line of the table."""
    costs, rates = {name: [] for name in builds}, {name: [] for name in builds}
    for name, gateway in builds.items():
        gateway.load(path, 1, arguments.connections)
    for _ in range(arguments.rounds):
        for name in random.sample(list(builds), len(builds)):
            cost, rate = builds[name].load(path, arguments.seconds, arguments.connections)
            costs[name].append(cost)
            rates[name].append(rate)
    ratios = [after / before for before, after in zip(costs["before"], costs["after"])]
    rate_ratios = [after / before for before, after in zip(rates["before"], rates["after"])]
    spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    print(
        f"| {path[1:]} | {statistics.median(costs['before']):.1f} | {statistics.median(costs['after']):.1f} | {spread}"
        f" | {statistics.median(rate_ratios):.3f} |",
        flush=True,
    )


def main():
    """Starts everything, measures, ends everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--with-before", default="", metavar="TOML", help="tables added to the configuration of the first")
    parser.add_argument("--with-after", default="", metavar="TOML", help="tables added to the configuration of the second")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="pluginmind-pair-") as place:
        folder = Path(place)
        upstream = free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=upstream, body="x" * 1024))
        started = [subprocess.Popen(["nginx", "-p", place, "-c", "nginx.conf"], stderr=subprocess.DEVNULL)]
        try:
            wait_for(upstream)
            builds = {}
            for name in ("before", "after"):
                extra = getattr(arguments, f"with_{name}")
                builds[name] = Gateway(getattr(arguments, name).resolve(), folder / name, upstream, extra)
                started.append(builds[name].process)
            print("| route | before, µs CPU per request | after | ratio (min to max) | requests/s, ratio |\n|---|---|---|---|---|")
            for path in ("/plain", "/full"):
                compare(builds, path, arguments)
        finally:
            for process in reversed(started):
                end(process)


if __name__ == "__main__":
    main()
