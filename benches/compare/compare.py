"""Everybody side by side: interleaved rounds in shuffled order, ratios per round, a table and a chart."""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "harness"))

import chart  # noqa: E402
import load  # noqa: E402
import page  # noqa: E402
import prove  # noqa: E402
import summary  # noqa: E402
from peers import HERE as HARNESS, Stage, stop_in_order, tell  # noqa: E402
from tokens import People  # noqa: E402

SECRET = "a-secret-of-this-benchmark-4f1c9a7be2d05836"
CONNECTIONS = (8, 64)
SVG = page.ROOT / "docs" / "compare.svg"


def plain(stage, workers, cores):
    """Reverse proxies that do nothing but that; ours does all that needs no session. All ratios are to the first."""
    return [
        stage.nginx("nginx", "nginx-plain.conf", workers, cores, "/plain"),
        stage.haproxy("haproxy", "haproxy-plain.cfg", workers, cores, "/plain"),
        stage.caddy("caddy", cores, "/plain"),
        stage.gateway("pluginmind", workers, cores, "/plain"),
    ]


def full(stage, workers, cores):
    """Everybody does the whole work; nginx without any of it stands by as the measure."""
    plugins = HARNESS / "peers" / "plugins"
    return [
        stage.haproxy("haproxy-full", "haproxy-full.cfg", workers, cores, "/full"),
        stage.nginx("nginx-lua-full", "nginx-full.conf", workers, cores, "/full", cached="false"),
        stage.nginx("nginx-lua-cached", "nginx-full.conf", workers, cores, "/full", cached="true"),
        stage.nginx("nginx-plain", "nginx-plain.conf", workers, cores, "/full"),
        stage.gateway("pluginmind-full", workers, cores, "/full"),
        stage.gateway("pluginmind-full-hook", workers, cores, "/full", plugins=plugins),
    ]


def measure(work, people, arguments, pinned, folder):
    """All rounds of one kind of work on shared cores, or with the proxy alone on the first one."""
    allowed = sorted(map(str, os.sched_getaffinity(0)))
    workers, cores, others = (1, allowed[0], ",".join(allowed[1:])) if pinned else (len(allowed), None, None)
    stage = Stage(folder, arguments.binary, people, SECRET)
    results = []
    try:
        stage.start_upstream(others)
        peers = (plain if work == "plain" else full)(stage, workers, cores)
        for peer in peers:
            prove.plain(peer) if work == "plain" or peer.name == "nginx-plain" else prove.full(peer, people)
        tell(f"{work}, {'one core' if pinned else 'shared cores'}: all {len(peers)} answer alike")
        script = load.prepare(folder, people, f"/{work}")
        for connections in CONNECTIONS:
            rounds = {peer.name: [] for peer in peers}
            for peer in peers:
                load.load(peer, script, connections, 1, others)
            for _ in range(arguments.rounds):
                for peer in random.sample(peers, len(peers)):
                    rounds[peer.name].append(load.load(peer, script, connections, arguments.seconds, others))
            results.append({"work": work, "pinned": pinned, "connections": connections, "rounds": rounds})
    finally:
        stage.end()
    return results


def all_measured(arguments):
    """Everything that was asked for, with the machine that it was measured on."""
    begun, load_before = time.monotonic(), os.getloadavg()[0]
    people, results = People(SECRET), []
    for work in arguments.only.split(","):
        for pinned in (False, True):
            with tempfile.TemporaryDirectory(prefix="pluginmind-compare-") as place:
                results += measure(work, people, arguments, pinned, Path(place))
    versions = (page.version("nginx", "-v"), page.version("haproxy", "-v"), "Caddy " + page.version("caddy", "version").split()[0])
    how = f"{arguments.rounds} rounds of {arguments.seconds} s; took {(time.monotonic() - begun) / 60:.1f} minutes."
    return {"machine": page.machine(load_before, *versions), "how": how, "results": results}


def write(measured):
    """Into the documentation: the table, the goals, the chart, and a few lines for the README."""
    results = measured["results"]
    where = f"{measured['machine']} {measured['how']}"
    page.put(page.PERFORMANCE, "compare", f"{summary.table(results)}\n\n{where}")
    page.measured(summary.goals(results))
    SVG.write_text(chart.drawn(results))
    alt = chart.words(results).replace('"', "")
    page.put(page.README, "compare", f'<img src="docs/compare.svg" alt="{alt}">\n\n{summary.brief(results)}\n\n{where}')


def read_arguments():
    """What `run` passes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--only", default="plain,full")
    parser.add_argument("--format", choices=("human", "json"), default="human")
    parser.add_argument("--write", action="store_true", help="put table and chart into docs/ and README.md")
    parser.add_argument("--again", type=Path, metavar="JSON", help="measure nothing, show the results of that file")
    arguments = parser.parse_args()
    if set(arguments.only.split(",")) - {"plain", "full"}:
        parser.error("--only takes plain, full or both")
    if arguments.write and arguments.only != "plain,full":
        parser.error("--write wants everything measured")
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("this needs two cores: one for the proxy, one for its load")
    return arguments


def main():
    """Starts everybody, proves, loads, ends everybody, writes what came of it."""
    arguments = read_arguments()
    stop_in_order()
    arguments.binary = arguments.binary.resolve()
    measured = json.loads(arguments.again.read_text()) if arguments.again else all_measured(arguments)
    results = measured["results"]
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "compare.json").write_text(json.dumps(measured, indent=1))
    (arguments.out / "compare.md").write_text(summary.table(results) + "\n")
    (arguments.out / "compare.svg").write_text(chart.drawn(results))
    print(json.dumps(measured) if arguments.format == "json" else f"{summary.table(results)}\n\n{measured['machine']} {measured['how']}")
    if arguments.write:
        write(measured)


if __name__ == "__main__":
    main()
