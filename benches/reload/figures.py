"""What is measured, one function a figure. Each gives rows of the table: what, and the figure with its unit."""

import math
import os
import random
import re
import shutil
import subprocess
import time

from gateway import Gateway
from load import Connection, Load

CONNECTIONS = 4

# After so many seconds without a request, what was queued is written.
SETTLED = 1.0


def percentile(values, share):
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values, digits=1):
    """p50, p95, p99 and the largest, in a row."""
    shown = [f"{percentile(values, share):.{digits}f}" for share in (0.50, 0.95, 0.99, 1.0)]
    return " / ".join(shown)


class FailedRequests(AssertionError):
    """A request failed during the reloads: the one thing that is no figure but a defect."""


def edits_under_load(binary, edits):
    """From rename(2) to the first answer under the new policy, while connections send requests without pause."""
    pauses = random.Random(1)
    first, last = [], []
    with Gateway(binary) as gateway:
        gateway.start()
        with Load(gateway.port, CONNECTIONS) as load:
            load.times_of(0)
            for edition in range(1, edits + 1):
                draft = gateway.draft(edition)
                # Not in step with anything that ticks inside the gateway.
                time.sleep(pauses.uniform(0.02, 0.25))
                begun = time.monotonic_ns()
                os.rename(draft, gateway.rule)
                times = load.times_of(edition)
                first.append((min(times) - begun) / 1e6)
                last.append((max(times) - begun) / 1e6)
        requests, failed = load.requests, load.failed
    if failed:
        raise FailedRequests(f"{failed} of {requests} requests failed during {edits} edits")
    return [
        (f"rename of a rule to the first answer under it, {edits} edits, p50 / p95 / p99 / max", f"{spread(first)} ms"),
        (f"… until all {CONNECTIONS} connections are under it, p50 / p95 / p99 / max", f"{spread(last)} ms"),
        ("requests during these edits, and failed ones", f"{requests:,} and {failed}"),
    ]


def starts(binary, count):
    """From spawn to the first 200 of /ready; the database is there from the second start on."""
    times, used = [], []
    with Gateway(binary) as gateway:
        first = gateway.start() * 1000
        gateway.stop()
        for _ in range(count):
            times.append(gateway.start() * 1000)
            used.append(gateway.cpu_seconds() * 1000)
            gateway.stop()
    return [
        ("start to /ready with an empty data folder", f"{first:.0f} ms"),
        (f"start to /ready, {count} starts, p50 / p95 / p99 / max", f"{spread(times, 0)} ms"),
        ("processor time of such a start, p50 / p95 / p99 / max", f"{spread(used, 0)} ms"),
    ]


def idle_memory(binary, *counts):
    """Resident memory of a gateway that has just started, and idle again after so many requests."""
    rows = []
    with Gateway(binary) as gateway:
        gateway.start()
        time.sleep(SETTLED)
        rows.append(memory_row("resident memory after the start", gateway.memory()))
        connection, sent = Connection(gateway.port), 0
        for count in counts:
            ask(connection, count - sent)
            sent = count
            time.sleep(SETTLED)
            rows.append(memory_row(f"resident memory after {count:,} requests", gateway.memory()))
    return rows


def memory_row(what, memory):
    """A row of the table with both kinds of memory."""
    return f"{what} (of it not backed by files)", f"{memory[0]:.1f} MiB ({memory[1]:.1f})"


def ask(connection, count):
    """So many requests, one after the other."""
    for _ in range(count):
        connection.ask()


def memory_of_reloads(binary, reloads, requests_before):
    """Resident memory after many reloads against that after ten. Each reload is an edit that is seen in an answer.

    Requests fill bounded buffers until these are full. Enough of them come first, so that only reloads are compared.
    """
    with Gateway(binary) as gateway:
        gateway.start()
        connection = Connection(gateway.port)
        ask(connection, requests_before)
        early = None
        for edition in range(1, reloads + 1):
            os.rename(gateway.draft(edition), gateway.rule)
            wait_for_edition(connection, edition)
            if edition == 10:
                early = gateway.memory()
        late = gateway.memory()
    what, figure = memory_row(f"resident memory after {reloads:,} reloads", late)
    return [
        memory_row("resident memory after 10 reloads", early),
        (what, f"{figure}, {100 * (late[0] / early[0] - 1):+.1f} %"),
    ]


def wait_for_edition(connection, edition):
    """Asks now and then until an answer is stamped with this edition."""
    wanted = str(edition).encode()
    deadline = time.monotonic() + 10
    while connection.ask()[1] != wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"edition {edition} was not seen within 10 s")
        time.sleep(0.01)


def throughput(binary, seconds):
    """Requests a second of a plain `respond` route and the processor time of one, with the shipped rules and the bench's own."""
    with Gateway(binary) as gateway:
        gateway.start()
        begun, cpu = time.monotonic(), gateway.cpu_seconds()
        client, requests = load_of(gateway.port, seconds)
        elapsed, used = time.monotonic() - begun, gateway.cpu_seconds() - cpu
    return [
        (f"`respond` route, {CONNECTIONS} connections, client {client}", f"{requests / elapsed:,.0f} requests/s"),
        ("processor time of the gateway for one such request", f"{1e6 * used / requests:.0f} µs"),
    ]


def load_of(port, seconds):
    """Sends for some seconds with `wrk` when it is there, else with the bench's own client; gives client and count."""
    if shutil.which("wrk") is None:
        with Load(port, CONNECTIONS) as load:
            time.sleep(seconds)
        return "this bench's own", load.requests
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://127.0.0.1:{port}/hello"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise FailedRequests(told)
    return "`wrk`", int(re.search(r"(\d+) requests in", told).group(1))
