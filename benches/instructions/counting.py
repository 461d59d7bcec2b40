"""Counts what a gateway does for a number of requests: instructions under callgrind, system calls under strace."""

import re
import subprocess
import sys
import time
from pathlib import Path

WARM, COUNTED, CONNECTIONS = 400, 1_500, 4
TRACED = 4_000


def h2load(peer, token, requests):
    """That many requests of HTTP/1.1, each of which must be answered 2xx."""
    command = ["h2load", "--h1", "-t", "1", "-c", str(CONNECTIONS), "-n", str(requests), "-T", "300"]
    command += ["-H", "origin: https://app.example", "-H", f"cookie: pm_session={token}", f"http://127.0.0.1:{peer.port}{peer.path}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if f" {requests} 2xx" not in told:
        sys.exit(f"{peer.name}: not every request was answered 2xx\n{told}")


def control(peer, flag):
    """Tells the callgrind of this process something, and waits until it did it."""
    subprocess.run(["callgrind_control", flag, str(peer.process.pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def instructions(peer, token, profile):
    """User instructions per request of all threads, and those of each function by itself."""
    h2load(peer, token, WARM)
    control(peer, "-z")
    h2load(peer, token, COUNTED)
    control(peer, "-d")
    dumped = written(Path(f"{profile}.1"))
    totals = re.search(r"^(?:totals|summary): (\d+)", dumped, re.MULTILINE)
    return int(totals[1]) / COUNTED, functions(f"{profile}.1")


def written(path):
    """The text of a profile, once it is complete."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and "\ntotals:" in (text := path.read_text(errors="replace")):
            return text
        time.sleep(0.1)
    sys.exit(f"callgrind wrote no profile to {path}")


def functions(profile):
    """Instructions per request of each function by itself, the dearest first."""
    command = ["callgrind_annotate", "--show-percs=no", "--threshold=100", profile]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in told.splitlines():
        match = re.match(r"\s*([\d,]+)\s+\S*?:(.+?)(?: \[[^\]]*\])?$", line)
        if match:
            name = re.sub(r"::h[0-9a-f]{16}\b", "", match[2]).strip()
            found[name] = found.get(name, 0) + int(match[1].replace(",", "")) / COUNTED
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def system_calls(peer, token, told):
    """System calls per request, by name."""
    h2load(peer, token, WARM)
    tracer = subprocess.Popen(["strace", "-f", "-c", "-U", "name,calls", "-o", str(told), "-p", str(peer.process.pid)], stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()
    h2load(peer, token, TRACED)
    tracer.terminate()
    tracer.wait(30)
    counts = {}
    for line in told.read_text().splitlines():
        name, _, calls = line.strip().partition(" ")
        if calls.strip().isdigit() and name != "total":
            counts[name] = int(calls) / TRACED
    if not counts:
        sys.exit("strace counted nothing: may it trace other processes here?")
    return counts
