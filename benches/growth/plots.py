"""A small plot for each axis, as one SVG."""

import math

from drawing import drawing, line, text

WIDTH, HIGH, COLUMNS = 400, 250, 2
LEFT, RIGHT, TOP, BOTTOM = 62, 20, 56, 40
TITLE = "What a request costs, and how that grows"
NAMES = {
    "routes": "routes",
    "plugins": "plugins that do not match",
    "hooks": "plugins that match",
    "addresses": "addresses with a bucket",
    "users": "users with a session, a token and a bucket",
    "bodies": "length of a body",
    "idle": "idle connections meanwhile",
    "schema": "a schema for the body",
}
# Where the cost itself runs over several powers of ten.
BY_POWERS = {"bodies"}


def drawn(results):
    """All of them."""
    parts = [text(20, 30, TITLE, font_size=16, font_weight=600)]
    for number, (name, axis) in enumerate(results.items()):
        x, y = number % COLUMNS * WIDTH, 40 + number // COLUMNS * HIGH
        parts += plot(x, y, NAMES[name], axis, name in BY_POWERS)
    rows = math.ceil(len(results) / COLUMNS)
    return drawing(WIDTH * COLUMNS, 50 + rows * HIGH, TITLE, words(results), parts)


def series_of(axis):
    """Its lines: for each series the sizes and costs."""
    lines = {}
    for row in axis["rows"]:
        lines.setdefault(row["series"], []).append((row["size"], row["cost"]))
    return lines


def plot(x, y, name, axis, powers):
    """One axis: sizes in even steps to the right, cost upwards from nothing, or in powers of ten."""
    lines = series_of(axis)
    unit = "1,000 instructions" if axis["by"] == "instructions" else "µs of processor time"
    scale = 1000 if axis["by"] == "instructions" else 1
    ticks = steps([cost / scale for points in lines.values() for _, cost in points], powers)
    low, high = (math.log10(ticks[0]), math.log10(ticks[-1])) if powers else (0, ticks[-1])

    def height(value):
        share = ((math.log10(value) if powers else value) - low) / ((high - low) or 1)
        return y + HIGH - BOTTOM - share * (HIGH - TOP - BOTTOM)

    parts = [text(x + 20, y + 22, name, font_weight=600), text(x + WIDTH - RIGHT, y + 22, unit, "faint", "end", font_size=11)]
    for tick in ticks:
        parts.append(line(x + LEFT, height(tick), x + WIDTH - RIGHT, height(tick)))
        parts.append(text(x + LEFT - 8, height(tick) + 4, f"{tick:,g}", "faint", "end", font_size=11))
    for number, (series, points) in enumerate(lines.items()):
        parts += curve(x, points, number, lambda value: height(value / scale))
        if len(lines) > 1:
            parts.append(f'<circle class="line{number}" cx="{x + 24 + number * 175}" cy="{y + 36}" r="4"/>')
            parts.append(text(x + 33 + number * 175, y + 40, series, "faint", font_size=11))
    for place, (size, _) in zip(places(x, len(points)), points):
        parts.append(text(place, y + HIGH - BOTTOM + 18, size, "faint", "middle", font_size=11))
    return parts


def places(x, count):
    """Where the sizes stand."""
    inner = WIDTH - LEFT - RIGHT - 40
    return [x + LEFT + 20 + inner * number / max(1, count - 1) for number in range(count)]


def curve(x, points, number, height):
    """A line through the points, and the points."""
    spots = [(place, height(cost)) for place, (_, cost) in zip(places(x, len(points)), points)]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in spots)
    dashes = ' stroke-dasharray="6 4"' if number else ""
    drawn_line = f'<polyline class="line{number}" points="{path}" style="fill:none" stroke-width="2"{dashes}/>'
    return [drawn_line, *(f'<circle class="line{number}" cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>' for a, b in spots)]


def steps(values, powers):
    """Round numbers from nothing, or from a power of ten, to above the largest."""
    most = max(values)
    if powers:
        first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(most))
        return [10.0**power for power in range(first, max(last, first + 1) + 1)]
    step = 10.0 ** math.floor(math.log10(most))
    for part in (0.2, 0.25, 0.5, 1, 2):
        if step * part * 5 >= most:
            step *= part
            break
    return [step * number for number in range(math.ceil(most / step) + 1)]


def words(results):
    """What the lines say, for who cannot see them."""
    said = []
    for axis in results.values():
        unit = "thousand instructions" if axis["by"] == "instructions" else "microseconds"
        scale = 1000 if axis["by"] == "instructions" else 1
        for series, points in series_of(axis).items():
            said.append(f"{series}, {unit}: " + ", ".join(f"{size} {cost / scale:,.1f}" for size, cost in points) + ".")
    return " ".join(said)
