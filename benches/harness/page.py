"""Puts figures into the pages of the documentation, and says which machine they come from."""

import datetime
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PERFORMANCE = ROOT / "docs" / "PERFORMANCE.md"
README = ROOT / "README.md"


def put(path, name, text):
    """Replaces what stands between the markers of that name."""
    begin, end = f"<!-- {name}: written by benches/{name}/run --write -->", f"<!-- end of {name} -->"
    path.write_text(between(path.read_text(), begin, end, text) or sys.exit(f"{path} lacks the markers of {name}"))


def between(whole, begin, end, text):
    """The text with another middle, each marker on a line of its own; nothing where a marker is not there."""
    before, begun, rest = whole.partition(begin)
    _, ended, after = rest.partition(end)
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}" if begun and ended else None


def measured(figures, path=PERFORMANCE):
    """Fills the last cell of rows of the table of goals, found by their first cell."""
    path.write_text(filled(path.read_text(), figures))


def filled(whole, figures):
    """The text with these figures in its table of goals. Ends the program when a goal is not there: it was renamed."""
    lines, left = whole.split("\n"), dict(figures)
    for place, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) > 2 and cells[0] in left:
            cells[-1] = left.pop(cells[0])
            lines[place] = f"| {' | '.join(cells)} |"
    if left:
        sys.exit(f"the table of goals has no row {', '.join(map(repr, left))}")
    return "\n".join(lines)


def machine(load_before, *versions):
    """The sentence below a table: when, on what kind of machine, with what else at work on it, and whose versions."""
    day = datetime.datetime.now(datetime.timezone.utc).date()
    cores = len(os.sched_getaffinity(0))
    where = f"{cores} cores ({processor()}), {platform.system()} {platform.release()} {platform.machine()}"
    others = f" {', '.join(versions)}." if versions else ""
    return f"Measured {day} on {where}; load average before: {load_before:.1f}.{others}"


def processor():
    """The model of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown model"


def version(*command):
    """The first line that a program says of its version."""
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return (told.stdout or told.stderr).strip().splitlines()[0]
