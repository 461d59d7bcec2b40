"""One round of load, by wrk: each request is another person's."""

import re
import subprocess

# The requests are made before the first is sent: what the load costs is taken from the same cores.
SCRIPT = """\
local requests, next_one = {}, 0
init = function()
    for token in io.lines("{tokens}") do
        requests[#requests + 1] = wrk.format("GET", "{path}", { ["Cookie"] = "pm_session=" .. token, ["Origin"] = "https://app.example" })
    end
end
request = function()
    next_one = next_one % #requests + 1
    return requests[next_one]
end
done = function(summary, latency)
    io.write(string.format("ROUND %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
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
    before = peer.cpu()
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cost = peer.cpu() - before
    requests, took, p50, p99, errors = read_round(told)
    if errors or not requests:
        raise RuntimeError(f"{peer.name}: {errors} of {requests} requests failed\n{told}")
    return {"cpu": cost / requests * 1e6, "rate": requests / took * 1e6, "p50": p50, "p99": p99, "memory": peer.memory()}


def read_round(told):
    """Requests, microseconds that it took, p50 and p99 in microseconds, and errors, from what wrk printed."""
    return tuple(map(int, re.search(r"^ROUND (\d+) (\d+) (\d+) (\d+) (\d+)$", told, re.MULTILINE).groups()))
