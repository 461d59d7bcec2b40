"""How the cost of a request grows with what is around it: one axis after the other, a table and plots."""

import argparse
import itertools
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "harness"))

import axes  # noqa: E402
import counting  # noqa: E402
import grown  # noqa: E402
import page  # noqa: E402
import plots  # noqa: E402
from client import Client, Refused  # noqa: E402
from peers import Stage, stop_in_order, tell  # noqa: E402
from tokens import People  # noqa: E402

SECRET = "a-secret-of-this-benchmark-4f1c9a7be2d05836"
SVG = page.ROOT / "docs" / "growth.svg"
WARM_SHARE = 3
PATIENCE = 300


class Ground:
    """A stage of this bench's: the app with its files, and gateways with what their points say."""

    def __init__(self, place, binary, people):
        place.chmod(0o755)
        self.place, self.people = place, people
        self.stage = Stage(place, binary, people, SECRET)
        self.numbers = itertools.count()
        axes.write_files(place)

    def __enter__(self):
        self.stage.start_upstream(template=HERE / "upstream.conf")
        return self

    def __exit__(self, *_):
        self.stage.end()

    def gateway(self, point, wrapper=()):
        """A gateway as a point wants it."""
        name = f"gateway{next(self.numbers)}"
        plugins = "none"
        if point.plugins:
            plugins = self.place / f"{name}-plugins"
            axes.write_plugins(plugins, point)
        words = {"more": point.more, "usage_sample": point.usage_sample, "ip_per_minute": point.ip_per_minute}
        words["people"] = self.people.first(point.people)
        return self.stage.gateway(name, 1, None, "/", plugins, wrapper, HERE / "gateway.toml", patience=PATIENCE, **words)


def by_instructions(points, ground, _):
    """Each point by itself, under callgrind, which counts only once everything is in its place."""
    for point in points:
        tell(f"  {point.series}: {point.size}")
        profile = ground.place / f"callgrind{next(ground.numbers)}"
        wrapper = counting.under_callgrind(profile, "--instr-atstart=no")
        peer = counting.once_more(lambda _, point=point, wrapper=wrapper: ground.gateway(point, wrapper))
        point.prepare(peer.port)
        client = Client(peer.port)
        client.send(itertools.islice(point.requests(), max(8, point.counted // WARM_SHARE)))
        counting.control(peer, "-i", "on")
        client.send(itertools.islice(point.requests(), 8))
        counting.control(peer, "-z")
        client.send(itertools.islice(point.requests(), point.counted))
        cost, _ = counting.dumped(peer, profile, point.counted)
        client.close()
        point.release()
        peer.end()
        yield row(point, [cost], [cost], memory_of(point, ground) if point.idle else None)


def memory_of(point, ground):
    """Bytes of memory for each of a point's idle connections, in a gateway that nothing counts."""
    peer = ground.gateway(point)
    client = Client(peer.port)
    client.send(itertools.islice(point.requests(), 2_000))
    before = peer.memory()
    point.prepare(peer.port)
    each = (peer.memory() - before) / point.idle
    point.release()
    client.close()
    peer.end()
    return each


def by_time(points, ground, arguments):
    """All points of a series at once, in interleaved rounds in shuffled order: processor time, as a ratio of each round."""
    for _, series in itertools.groupby(points, key=lambda point: point.series):
        series, peers = list(series), []
        for point in series:
            tell(f"  {point.series}: {point.size}")
            peer = ground.gateway(point)
            before = peer.memory()
            point.prepare(peer.port)
            peers.append((peer, (peer.memory() - before) / point.idle if point.idle else peer.memory()))
        # Not earlier: a connection that asks nothing while another gateway is filled is closed.
        clients = [Client(peer.port, 32) for peer, _ in peers]
        costs = [[] for _ in series]
        for number in range(-1, arguments.rounds):
            for place in random.sample(range(len(series)), len(series)):
                cost = round_of(peers[place][0], clients[place], series[place], arguments.seconds)
                if number >= 0:
                    costs[place].append(cost)
        for point, own, client, (peer, memory) in zip(series, costs, clients, peers):
            client.close()
            point.release()
            peer.end()
            yield row(point, own, costs[0], memory)


def round_of(peer, client, point, seconds):
    """Microseconds of processor time per request over so many seconds."""
    requests, count = point.requests(), 0
    before, end = peer.cpu(), time.monotonic() + seconds
    while time.monotonic() < end:
        count += client.send(itertools.islice(requests, min(64, point.counted)))
    return (peer.cpu() - before) / count * 1e6


def row(point, costs, base, memory):
    """What came of a point."""
    ratios = sorted(own / first for own, first in zip(costs, base))
    cost = statistics.median(costs)
    tell(f"    {cost:.1f}")
    return {
        "series": point.series,
        "size": point.size,
        "cost": cost,
        "ratio": [ratios[0], statistics.median(ratios), ratios[-1]],
        "memory": memory,
    }


def measured(name, arguments):
    """One axis: its rows, by what they were measured and where."""
    points, by = axes.AXES[name]
    by = arguments.by or by
    load_before, begun = os.getloadavg()[0], time.monotonic()
    tell(f"{name}, by {by}")
    people = People(SECRET, min(max(axes.KEYS), arguments.most) if name == "users" else 1)
    with tempfile.TemporaryDirectory(prefix="pluginmind-growth-") as place, Ground(Path(place), arguments.binary, people) as ground:
        rows = list((by_time if by == "time" else by_instructions)(fitting(points(people), arguments), ground, arguments))
    if by == "instructions":
        first = {one["series"]: one["cost"] for one in reversed(rows)}
        for one in rows:
            one["ratio"] = [one["cost"] / first[one["series"]]] * 3
    tell(f"{name} took {time.monotonic() - begun:.0f} s")
    return {"by": by, "machine": page.machine(load_before), "rows": rows}


def fitting(points, arguments):
    """The points that this machine's limit of open files and `--most` leave."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for point in points:
        if point.idle + 500 > files:
            tell(f"  {point.series}: {point.size} left out: only {files} files may be open here")
        elif max(point.people, point.idle, int(point.size.replace(",", "")) if point.fill else 0) <= arguments.most:
            yield point


def write(results):
    """Into the documentation, once every axis is there."""
    missing = [name for name in axes.AXES if name not in results]
    if missing:
        sys.exit(f"not measured yet: {', '.join(missing)}")
    page.put(page.PERFORMANCE, "growth", grown.table(results))
    page.measured(grown.goals(results))
    SVG.write_text(plots.drawn(results))


def read_arguments():
    """What `run` passes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default=",".join(axes.AXES), help="the axes, separated by commas")
    parser.add_argument("--by", choices=("instructions", "time"), help="for all of them; else what suits each")
    parser.add_argument("--rounds", type=int, default=7, help="of those by time")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--most", type=int, default=1_000_000, help="no point with more users, addresses or connections than these")
    parser.add_argument("--write", action="store_true", help="put table and plots into docs/")
    arguments = parser.parse_args()
    arguments.only = [name for name in arguments.only.split(",") if name]
    unknown = set(arguments.only) - set(axes.AXES)
    if unknown:
        parser.error(f"--only takes {', '.join(axes.AXES)}, not {', '.join(sorted(unknown))}")
    return arguments


def main():
    """Measures the axes that were asked for, keeps them beside those measured before, prints, writes."""
    arguments = read_arguments()
    stop_in_order()
    arguments.binary = arguments.binary.resolve()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = arguments.out / "growth.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for name in arguments.only:
        results[name] = measured(name, arguments)
        kept.write_text(json.dumps(results, indent=1))
    results = {name: results[name] for name in axes.AXES if name in results}
    (arguments.out / "growth.md").write_text(grown.table(results) + "\n")
    (arguments.out / "growth.svg").write_text(plots.drawn(results))
    print(grown.table({name: results[name] for name in arguments.only or results}))
    if arguments.write:
        write(results)


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(f"a request failed: {refused}")
