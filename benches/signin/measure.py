"""Measures one binary's sign-in and prints the figures as a markdown table."""

import argparse
import http.client
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "reload"))

from gateway import CONFIG, free_port  # noqa: E402

# Locked out, nobody's password would be looked at.
NO_LOCKOUT = """
[auth.local]
lockout_failures         = 0
lockout_network_failures = 0

[session]
per_user_max = 10_000
"""
NAME, PASSWORD = "known@example.org", "correct horse battery"
LOGINS = 8


def main():
    """Two measurements, one after the other."""
    arguments = read_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    part = 10 if arguments.quick else 1
    rows = []
    with tempfile.TemporaryDirectory(prefix="pluginmind-measure-") as folder:
        gateway = Gateway(arguments.binary, Path(folder))
        try:
            rows += known_and_unknown(gateway, 200 // part)
            rows += beside_sign_ins(gateway, 20 / part)
        finally:
            gateway.stop()
    print("| figure | measured |\n|---|---|")
    for what, figure in rows:
        print(f"| {what} | {figure} |")
    print(f"\nLoad average: {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores.")


def known_and_unknown(gateway, samples):
    """A wrong password for both kinds of name, taking turns, so that what else the machine does falls on both."""
    times = {NAME: [], "unknown@example.org": []}
    connection = gateway.connect()
    for _ in range(samples):
        for name, taken in times.items():
            begun = time.monotonic()
            sign_in(connection, name, "a wrong password", 401)
            taken.append((time.monotonic() - begun) * 1000)
    known, unknown = (statistics.median(taken) for taken in times.values())
    return [
        (f"wrong password, {samples} samples: median for a known name", f"{known:.2f} ms"),
        ("… for an unknown name", f"{unknown:.2f} ms"),
        ("… difference (goal: under 2 ms)", f"{abs(known - unknown):.2f} ms"),
    ]


def beside_sign_ins(gateway, seconds):
    """A plain route, alone and while so many sign-ins are under way all the time."""
    idle = plain_route(gateway, seconds)
    stop = threading.Event()
    counts = [0] * LOGINS

    def sign_in_without_pause(number):
        connection = gateway.connect()
        while not stop.is_set():
            sign_in(connection, NAME, PASSWORD, 200)
            counts[number] += 1

    threads = [threading.Thread(target=sign_in_without_pause, args=(number,)) for number in range(LOGINS)]
    for thread in threads:
        thread.start()
    busy = plain_route(gateway, seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return [
        ("plain route, idle: p50 / p99", f"{percentile(idle, 0.5):.2f} / {percentile(idle, 0.99):.2f} ms"),
        (f"… with {LOGINS} sign-ins under way", f"{percentile(busy, 0.5):.2f} / {percentile(busy, 0.99):.2f} ms"),
        ("… p99, times idle (goal: under 3)", f"{percentile(busy, 0.99) / percentile(idle, 0.99):.1f}"),
        ("sign-ins meanwhile", f"{sum(counts) / seconds:.0f} a second"),
    ]


def plain_route(gateway, seconds):
    """Milliseconds of each request on one connection, a hundred a second."""
    connection = gateway.connect()
    taken = []
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        start = time.monotonic()
        connection.request("GET", "/hello")
        answer = connection.getresponse()
        answer.read()
        taken.append((time.monotonic() - start) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"the plain route answered {answer.status}")
        time.sleep(0.01)
    return taken


def sign_in(connection, name, password, wanted):
    """One sign-in on a kept connection."""
    body = json.dumps({"username": name, "password": password})
    connection.request("POST", "/auth/login", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != wanted:
        raise RuntimeError(f"the sign-in answered {answer.status}")


def percentile(values, share):
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Gateway:
    """One process with one account, in a folder of its own."""

    def __init__(self, binary, folder):
        self.port = free_port()
        config = folder / "config.toml"
        config.write_text(CONFIG.format(port=self.port, admin_port=free_port()) + NO_LOCKOUT)
        command = [str(binary), "-c", str(config)]
        environment = {"PATH": os.environ.get("PATH", "")}
        quiet = {"cwd": folder, "env": environment, "stdout": subprocess.DEVNULL}
        subprocess.run([*command, "users", "add", NAME], input=PASSWORD.encode(), check=True, **quiet)
        self.process = subprocess.Popen([*command, "serve"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **quiet)
        deadline = time.monotonic() + 30
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the gateway does not start")
            time.sleep(0.01)

    def connect(self):
        """A connection that is kept."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def is_ready(self):
        """Whether /ready is 200 now."""
        connection = self.connect()
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self):
        """Ends it and waits for that."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def read_arguments():
    """What `run` passes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, to see that it works")
    return parser.parse_args()


if __name__ == "__main__":
    main()
