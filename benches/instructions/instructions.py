"""Instructions and system calls per request, against a budget."""

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "compare"))

import counting  # noqa: E402
from peers import HERE as COMPARE, Stage  # noqa: E402
from tokens import People  # noqa: E402

SECRET = "a-secret-of-this-benchmark-4f1c9a7be2d05836"
BUDGET = HERE / "budget.json"
OVER = 1.03
# So small a number of calls wanders with the timers that fall into it.
CALLS_OVER = 0.25
KEPT = 40
KINDS = {"plain": ("/plain", False), "full": ("/full", False), "full_hook": ("/full", True)}


def count(kind, arguments, people):
    """What a request of this kind costs."""
    path, hook = KINDS[kind]
    plugins = COMPARE / "peers" / "plugins" if hook else "none"
    with tempfile.TemporaryDirectory(prefix="pluginmind-instructions-") as place:
        stage = Stage(Path(place), arguments.binary, people, SECRET)
        try:
            stage.start_upstream()
            profile = Path(place) / "callgrind"
            wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"]
            peer = stage.gateway("counted", 1, None, path, plugins=plugins, wrapper=wrapper)
            cost, functions = counting.instructions(peer, people.tokens[0], profile)
            peer = stage.gateway("traced", 1, None, path, plugins=plugins)
            calls = counting.system_calls(peer, people.tokens[0], Path(place) / "strace")
        finally:
            stage.end()
    return {"instructions": round(cost), "system_calls": round(sum(calls.values()), 2), "calls": calls, "functions": functions}


def shown(counted, top):
    """For a person."""
    for kind, cost in counted.items():
        print(f"\n{kind}: {cost['instructions']} instructions, {cost['system_calls']} system calls per request")
        calls = sorted(cost["calls"].items(), key=lambda one: -one[1])
        print("  " + ", ".join(f"{name} {number:.2f}" for name, number in calls if number >= 0.005))
        for name, number in list(cost["functions"].items())[:top]:
            print(f"  {number:8.0f}  {name}")


def complaints(counted, budget):
    """What is over the budget, and where it went."""
    for kind, cost in counted.items():
        allowed = budget.get(kind)
        if not allowed:
            yield f"{kind}: no budget"
            continue
        if cost["instructions"] > allowed["instructions"] * OVER:
            yield f"{kind}: {cost['instructions']} instructions per request, {allowed['instructions']} in the budget; what grew:"
            names = {*cost["functions"], *allowed["functions"]}
            grown = {name: cost["functions"].get(name, 0) - allowed["functions"].get(name, 0) for name in names}
            least = min(allowed["functions"].values(), default=0)
            for name in sorted(names, key=lambda name: -grown[name])[:12]:
                before = allowed["functions"].get(name)
                before = f"under {least}" if before is None else str(before)
                yield f"  {before:>12} -> {cost['functions'].get(name, 0):6.0f}  {name}"
        if cost["system_calls"] > allowed["system_calls"] * OVER + CALLS_OVER:
            yield f"{kind}: {cost['system_calls']} system calls per request, {allowed['system_calls']} in the budget: {cost['calls']}"


def kept(counted):
    """The budget that these numbers make."""
    return {
        kind: {
            "instructions": cost["instructions"],
            "system_calls": cost["system_calls"],
            "functions": {name: round(number) for name, number in list(cost["functions"].items())[:KEPT]},
        }
        for kind, cost in counted.items()
    }


def main():
    """Counts, prints, compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--format", choices=("human", "json"), default="human")
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments.binary = arguments.binary.resolve()
    people = People(SECRET)
    counted = {kind: count(kind, arguments, people) for kind in arguments.only.split(",")}
    if arguments.format == "json":
        print(json.dumps({kind: cost["instructions"] for kind, cost in counted.items()}))
    else:
        shown(counted, arguments.top)
    budget = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    if arguments.write:
        BUDGET.write_text(json.dumps(budget | kept(counted), indent=1) + "\n")
        return
    found = list(complaints(counted, budget))
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
