"""Everybody side by side: interleaved rounds in shuffled order, ratios per round, a table and a chart."""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import chart
import load
import prove
from peers import HERE, Stage
from tokens import People

SECRET = "a-secret-of-this-benchmark-4f1c9a7be2d05836"
CONNECTIONS = (8, 64)
KINDS = ("cpu", "rate", "p50", "p99", "memory")


def plain(stage, workers, cores):
    """Reverse proxies that do nothing but that; ours does all that needs no session."""
    return [
        stage.nginx("nginx", "nginx-plain.conf", workers, cores, "/plain"),
        stage.haproxy("haproxy", "haproxy-plain.cfg", workers, cores, "/plain"),
        stage.caddy("caddy", cores, "/plain"),
        stage.gateway("pluginmind", workers, cores, "/plain"),
    ]


def full(stage, workers, cores):
    """Everybody does the whole work; nginx without any of it stands by as the measure."""
    plugins = HERE / "peers" / "plugins"
    return [
        stage.haproxy("haproxy-full", "haproxy-full.cfg", workers, cores, "/full"),
        stage.nginx("nginx-lua-full", "nginx-full.conf", workers, cores, "/full"),
        stage.nginx("nginx-plain", "nginx-plain.conf", workers, cores, "/full"),
        stage.gateway("pluginmind-full", workers, cores, "/full"),
        stage.gateway("pluginmind-full-hook", workers, cores, "/full", plugins=plugins),
    ]


def measure(work, people, arguments, pinned, folder):
    """All rounds of one kind of work on shared cores, or with the proxy alone on the first one."""
    workers, cores, others = (1, "0", "1") if pinned else (os.cpu_count(), None, None)
    stage = Stage(folder, arguments.binary, people, SECRET)
    results = []
    try:
        stage.start_upstream(others)
        peers = (plain if work == "plain" else full)(stage, workers, cores)
        for peer in peers:
            prove.plain(peer) if work == "plain" or peer.name == "nginx-plain" else prove.full(peer, people)
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


def table(results):
    """Medians, and of the processor time the ratio to the first of the table with its spread."""
    lines = []
    for result in results:
        where = "the proxy alone on one core" if result["pinned"] else "all share the cores"
        lines += [f"\n### {result['work']}, {result['connections']} connections, {where}\n"]
        lines += ["| | µs CPU per request | ratio, median (min to max) | requests/s | p50, µs | p99, µs | MiB |", "|---|---|---|---|---|---|---|"]
        first = next(iter(result["rounds"].values()))
        for name, rounds in result["rounds"].items():
            ratios = [one["cpu"] / other["cpu"] for one, other in zip(rounds, first)]
            middle = {kind: statistics.median(one[kind] for one in rounds) for kind in KINDS}
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            numbers = f"{middle['rate']:.0f} | {middle['p50']:.0f} | {middle['p99']:.0f} | {middle['memory'] / 2**20:.1f}"
            lines.append(f"| {name} | {middle['cpu']:.1f} | {spread} | {numbers} |")
    return "\n".join(lines) + "\n"


def main():
    """Starts everybody, proves, loads, ends everybody, writes what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--only", default="plain,full")
    parser.add_argument("--format", choices=("human", "json"), default="human")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments.binary = arguments.binary.resolve()
    people = People(SECRET)
    results = []
    for work in arguments.only.split(","):
        for pinned in (False, True):
            with tempfile.TemporaryDirectory(prefix="pluginmind-compare-") as place:
                results += measure(work, people, arguments, pinned, Path(place))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "compare.json").write_text(json.dumps(results, indent=1))
    (arguments.out / "compare.md").write_text(table(results))
    (arguments.out / "compare.svg").write_text(chart.drawn(results))
    print(json.dumps(results) if arguments.format == "json" else table(results))


if __name__ == "__main__":
    main()
