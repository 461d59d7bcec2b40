"""Instructions and system calls per request, against a budget."""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "harness"))

import counting  # noqa: E402
import page  # noqa: E402
from peers import HERE as HARNESS, Stage, stop_in_order  # noqa: E402
from tokens import People  # noqa: E402

SECRET = "a-secret-of-this-benchmark-4f1c9a7be2d05836"
BUDGET = HERE / "budget.json"
OVER = 1.03
# Another compiler or C library makes other instructions of the same source: there, only what grew by a good deal is told.
OVER_ELSEWHERE = 1.10
# So little is no saving but a count that went wrong, or a budget that must be made anew.
UNDER = 0.5
# How many calls fall to one request wanders with the timers, and with who wakes whom on a busy machine.
CALLS_OVER = 0.6
# A busy machine adds: more commits and ticks fall into the same requests. The least of so many counts is compared.
TRIES = 3
KEPT = 40
KINDS = {"plain": ("/plain", False), "full": ("/full", False), "full_hook": ("/full", True)}
GOAL = "instructions per request: plain / full / full + hook"


def count(kind, arguments, people):
    """What a request of this kind costs."""
    path, hook = KINDS[kind]
    plugins = HARNESS / "peers" / "plugins" if hook else "none"
    with tempfile.TemporaryDirectory(prefix="pluginmind-instructions-") as place:
        stage, profile = Stage(Path(place), arguments.binary, people, SECRET), Path(place) / "callgrind"
        try:
            stage.start_upstream()
            peer = counting.once_more(
                lambda attempt: stage.gateway(
                    f"counted{attempt}", 1, None, path, plugins, counting.under_callgrind(profile), patience=counting.PATIENCE
                )
            )
            cost, functions = counting.instructions(peer, people.tokens[0], profile)
            calls = traced(kind, stage, path, plugins, people, Path(place) / "strace")
        finally:
            stage.end()
    return {"instructions": round(cost), "system_calls": calls and round(sum(calls.values()), 2), "calls": calls, "functions": functions}


def traced(kind, stage, path, plugins, people, told):
    """System calls per request by name; none, with a word on the error output, where nobody may trace."""
    peer = stage.gateway("traced", 1, None, path, plugins)
    try:
        return counting.system_calls(peer, people.tokens[0], told)
    except counting.CannotTrace as problem:
        print(f"{kind}: system calls were not counted: {problem}", file=sys.stderr)
        return None


def shown(counted, top):
    """For a person."""
    for kind, cost in counted.items():
        calls = "not counted" if cost["calls"] is None else cost["system_calls"]
        yield f"\n{kind}: {cost['instructions']} instructions, system calls: {calls}, per request"
        by_number = sorted((cost["calls"] or {}).items(), key=lambda one: -one[1])
        yield "  " + ", ".join(f"{name} {number:.2f}" for name, number in by_number if number >= 0.005)
        for name, number in list(cost["functions"].items())[:top]:
            yield f"  {number:8.0f}  {name}"


def as_json(counted):
    """One line: instructions per request by kind, nothing else."""
    return json.dumps({kind: cost["instructions"] for kind, cost in counted.items()}, separators=(",", ":"))


def made_with():
    """What the numbers depend on, besides the source."""
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False).stdout.split()
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    known = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    # What libraries choose their ways of copying and hashing by, as far as valgrind has it.
    cpu = sorted({"avx", "avx2", "bmi2"} & set(known[1].split() if known else ()))
    return {"rustc": " ".join(rustc[1:2]), "libc": platform.libc_ver()[1], "valgrind": valgrind, "cpu": cpu}


def over(here, budget):
    """How much more than the budget is too much, made with what there is here."""
    return OVER if budget.get("made_with") == here else OVER_ELSEWHERE


def least(counts):
    """The one of several counts with the fewest instructions."""
    return min(counts, key=lambda cost: cost["instructions"])


def complaints(counted, budget, limit=OVER):
    """What is over the budget, and where it went."""
    for kind, cost in counted.items():
        allowed = budget.get(kind)
        if not allowed:
            yield f"{kind}: no budget"
            continue
        if cost["instructions"] > allowed["instructions"] * limit:
            yield f"{kind}: {cost['instructions']} instructions per request, {allowed['instructions']} in the budget; what grew:"
            yield from grown(cost["functions"], allowed["functions"])
        if cost["instructions"] < allowed["instructions"] * UNDER or not cost["functions"]:
            yield f"{kind}: {cost['instructions']} instructions per request, {allowed['instructions']} in the budget: is that all of them? Else --write"
        before = allowed["system_calls"]
        if None not in (cost["system_calls"], before) and cost["system_calls"] > before * OVER + CALLS_OVER:
            yield f"{kind}: {cost['system_calls']} system calls per request, {before} in the budget: {cost['calls']}"


def grown(now, before, most=12):
    """The functions that cost more than the budget knows. Of those that it does not name it knows only that they were cheap."""
    least = min(before.values(), default=0)
    growth = {name: now.get(name, 0) - before.get(name, least) for name in {*now, *before}}
    for name in sorted(growth, key=lambda name: (-growth[name], name))[:most]:
        if growth[name] >= 1:
            known = str(before[name]) if name in before else f"under {least}"
            yield f"  {known:>12} -> {now.get(name, 0):6.0f}  {name}"


def kept(counted, budget):
    """The budget that these numbers make; system calls that could not be counted stay as they were."""
    made = dict(budget)
    for kind, cost in counted.items():
        calls = cost["system_calls"]
        if calls is None and kind not in budget:
            sys.exit(f"{kind}: no budget without its system calls, and nobody may trace here")
        made[kind] = {
            "instructions": cost["instructions"],
            "system_calls": calls if calls is not None else budget[kind]["system_calls"],
            "functions": {name: round(number) for name, number in list(cost["functions"].items())[:KEPT]},
        }
    return made


def write(budget):
    """The budget, and what it says of the goal."""
    BUDGET.write_text(json.dumps(budget, indent=1) + "\n")
    if all(kind in budget for kind in KINDS):
        figures = " / ".join(f"{budget[kind]['instructions'] / 1000:.1f}k" for kind in KINDS)
        page.measured({GOAL: figures})


def main():
    """Counts, prints, compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--format", choices=("human", "json"), default="human")
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    unknown = set(arguments.only.split(",")) - set(KINDS)
    if unknown:
        parser.error(f"--only takes {', '.join(KINDS)}, not {', '.join(sorted(unknown))}")
    stop_in_order()
    arguments.binary = arguments.binary.resolve()
    people = People(SECRET)
    budget = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    limit = over(made_with(), budget)
    counted = {}
    for kind in arguments.only.split(","):
        counts = [count(kind, arguments, people)]
        while not arguments.write and len(counts) < TRIES and list(complaints({kind: counts[-1]}, budget, limit)) and kind in budget:
            print(f"{kind}: {counts[-1]['instructions']} instructions, over the budget: counted once more", file=sys.stderr)
            counts.append(count(kind, arguments, people))
        counted[kind] = least(counts)
    print(as_json(counted) if arguments.format == "json" else "\n".join(shown(counted, arguments.top)))
    if arguments.write:
        write(kept(counted, budget) | {"made_with": made_with()})
        return
    if limit != OVER:
        print(f"the budget was made with {budget.get('made_with')}, this with {made_with()}: {limit:.2f} times it is let pass", file=sys.stderr)
    found = list(complaints(counted, budget, limit))
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
