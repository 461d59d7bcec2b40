"""One round of load, by wrk: each connection is another person."""

import re
import subprocess
import time

SCRIPT = """\
local tokens = {}
for line in io.lines("{tokens}") do tokens[#tokens + 1] = "pm_session=" .. line end
local next_one = 0
request = function()
    next_one = next_one % #tokens + 1
    return wrk.format("GET", "{path}", { ["Cookie"] = tokens[next_one], ["Origin"] = "https://app.example" })
end
done = function(summary, latency)
    io.write(string.format("ROUND %d %d %d %d\\n", summary.requests, latency:percentile(50), latency:percentile(99),
        summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


def prepare(folder, people, path):
    """The script for a path."""
    tokens = folder / "tokens"
    tokens.write_text("\n".join(people.tokens) + "\n")
    script = folder / f"load{path.replace('/', '-')}.lua"
    script.write_text(SCRIPT.replace("{tokens}", str(tokens)).replace("{path}", path))
    return script


def load(peer, script, connections, seconds, cores=None):
    """Loads a peer; microseconds of processor time per request, requests per second, p50 and p99 in microseconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{peer.port}"]
    if cores:
        command = ["taskset", "-c", cores, *command]
    before, begun = peer.cpu(), time.monotonic()
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    took = time.monotonic() - begun
    cost = peer.cpu() - before
    requests, p50, p99, errors = map(int, re.search(r"ROUND (\d+) (\d+) (\d+) (\d+)", told).groups())
    if errors or not requests:
        raise RuntimeError(f"{peer.name}: {errors} of {requests} requests failed\n{told}")
    return {"cpu": cost / requests * 1e6, "rate": requests / took, "p50": p50, "p99": p99, "memory": peer.memory()}
