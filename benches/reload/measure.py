"""Measures one binary and prints the figures as a markdown table."""

import argparse
import datetime
import os
import platform
import signal
import sys
from pathlib import Path

import figures

BEGIN = "<!-- figures: written by benches/reload/run --write -->"
END = "<!-- end of figures -->"


def main():
    """Measures everything, one thing after the other."""
    arguments = read_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    binary, part = arguments.binary, 10 if arguments.quick else 1
    measurements = (
        ("edits under load", lambda: figures.edits_under_load(binary, 100 // part)),
        ("starts", lambda: figures.starts(binary, 20 // part)),
        ("idle memory", lambda: figures.idle_memory(binary, 10_000 // part, 50_000 // part)),
        ("memory of reloads", lambda: figures.memory_of_reloads(binary, 1_000 // part, 50_000 // part)),
        ("throughput", lambda: figures.throughput(binary, 10 // part)),
    )
    load_before = os.getloadavg()[0]
    rows = []
    for name, measure in measurements:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        rows += measure()
    page = table(rows, load_before)
    print(page)
    if arguments.write:
        write(arguments.page, page)


def table(rows, load_before):
    """The figures, and the machine that they come from (its kind, not its name)."""
    lines = ["| figure | measured |", "|---|---|"]
    lines += [f"| {what} | {figure} |" for what, figure in rows]
    day = datetime.datetime.now(datetime.timezone.utc).date()
    machine = f"{len(os.sched_getaffinity(0))} cores ({processor()}), {platform.system()} {platform.machine()}"
    lines += ["", f"Measured {day} on {machine}; load average before: {load_before:.1f}."]
    return "\n".join(lines)


def processor():
    """The model of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown model"


def write(page, figures_text):
    """Replaces what stands between the markers."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or not after:
        sys.exit(f"{page} lacks the markers")
    page.write_text(f"{before}{BEGIN}\n\n{figures_text}\n\n{END}{after}")


def read_arguments():
    """What `run` passes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--page", type=Path, required=True, help="where --write puts the figures")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, to see that it works")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except figures.FailedRequests as failed:
        sys.exit(f"failed: {failed}")
