"""Counts what a gateway does for a number of requests: instructions under callgrind, system calls under strace."""

import re
import subprocess
import sys
import time
from pathlib import Path

from peers import Ended

WARM, COUNTED, CONNECTIONS = 400, 1_500, 4
TRACED = 4_000
# A callgrind that starts a program of this size under load.
PATIENCE = 120


class CannotTrace(Exception):
    """strace may not do its work on this machine."""


def under_callgrind(profile, *flags):
    """What stands before a program's command, so that it is counted.

    Without randomly placed memory where that is allowed: with it, valgrind now and then finds a place taken and dies at the
    start, and the numbers differ from run to run by the order in which maps are walked.
    """
    steady = ["setarch", "-R"] if allowed(["setarch", "-R", "true"]) else []
    return [*steady, "valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", *flags]


def allowed(command):
    """Whether it can be run here."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def once_more(start):
    """Starts a program under callgrind, and once more when it died before it listened."""
    try:
        return start(0)
    except Ended as ended:
        print(f"{ended} under callgrind; once more", file=sys.stderr)
        return start(1)


def h2load(peer, token, requests):
    """That many requests of HTTP/1.1, each of which must be answered 2xx."""
    command = ["h2load", "--h1", "-t", "1", "-c", str(CONNECTIONS), "-n", str(requests), "-T", "300"]
    command += ["-H", "origin: https://app.example", "-H", f"cookie: pm_session={token}", f"http://127.0.0.1:{peer.port}{peer.path}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if f" {requests} 2xx" not in told:
        sys.exit(f"{peer.name}: not every request was answered 2xx\n{told}")


def control(peer, *flags):
    """Tells the callgrind of this process something, and waits until it did it."""
    command = ["callgrind_control", *flags, str(peer.process.pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or "Error" in done.stdout + done.stderr:
        died = peer.process.poll()
        state = "still runs" if died is None else f"ended with {died}"
        sys.exit(f"{' '.join(command)} failed; {peer.name} {state}\n{done.stdout}{done.stderr}")


def instructions(peer, token, profile):
    """User instructions per request of all threads, and those of each function by itself."""
    h2load(peer, token, WARM)
    control(peer, "-z")
    h2load(peer, token, COUNTED)
    return dumped(peer, profile, COUNTED)


def dumped(peer, profile, requests, part=1):
    """Has the profile written that callgrind has now; what it says of one request."""
    control(peer, "-d")
    total, functions = read_profile(written(Path(f"{profile}.{part}")))
    return total / requests, {name: cost / requests for name, cost in functions.items()}


def written(path, patience=60):
    """The text of a profile, once it is complete."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if path.exists() and "\ntotals:" in (text := path.read_text(errors="replace")):
            return text
        time.sleep(0.1)
    sys.exit(f"callgrind wrote no profile to {path}")


def read_profile(text):
    """Of a profile the sum, and each function's own cost, the dearest first.

    callgrind_annotate is not asked: it takes calls that began before the counting (`calls=0`) for a function's own cost.

    # Source: Valgrind manual, "Callgrind Format Specification".
    """
    names, costs, function, inclusive = {}, {}, None, False
    for line in text.splitlines():
        first = line[:1]
        if first.isdigit() or first in ("+", "-", "*"):
            if not inclusive:
                costs[function] = costs.get(function, 0) + int(line.split()[1])
            inclusive = False
        elif line.startswith("calls="):
            inclusive = True
        elif match := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?", line):
            called, number, name = match.groups()
            if name:
                names[number] = name
            if not called:
                function = number
    functions = {}
    for number, cost in costs.items():
        name = plain_name(names.get(number, "?"))
        functions[name] = functions.get(name, 0) + cost
    total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
    return int(total[1]), dict(sorted(functions.items(), key=lambda one: -one[1]))


def plain_name(name):
    """A function's name as it stays from build to build: without the hash, and without callgrind's mark of a recursion."""
    return re.sub(r"(::h[0-9a-f]{16}|'\d+)+$", "", name)


def system_calls(peer, token, told):
    """System calls per request, by name."""
    h2load(peer, token, WARM)
    command = ["strace", "-f", "-c", "-U", "name,calls", "-o", str(told), "-p", str(peer.process.pid)]
    try:
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    except OSError as problem:
        raise CannotTrace(f"strace: {problem}") from problem
    try:
        said = tracer.stderr.readline()
        if "attached" not in said:
            raise CannotTrace(said.strip() or "strace ended at once")
        h2load(peer, token, TRACED)
    finally:
        tracer.terminate()
        tracer.communicate(timeout=30)
    counts = read_calls(told.read_text())
    if not counts:
        raise CannotTrace("strace counted nothing")
    return {name: calls / TRACED for name, calls in counts.items()}


def read_calls(text):
    """The counts of `strace -c -U name,calls`, by name."""
    counts = {}
    for line in text.splitlines():
        name, _, calls = line.strip().partition(" ")
        if calls.strip().isdigit() and name != "total":
            counts[name] = int(calls)
    return counts
