"""Bars of processor time per request, as an SVG that a README can show."""

from drawing import drawing, line, text
from summary import NAMES, busiest, middle, spread

WIDTH, LEFT, ROW, BAR = 840, 270, 26, 470
TITLE = "Processor time per request, microseconds (less is better)"
WORK = {
    "plain": "Reverse proxy. The others do nothing else; PluginMind limits, guards, counts and logs as well.",
    "full": "Session token, two rate limits, CORS, security headers, request id, a log line: equal work.",
}


def drawn(results):
    """The rounds with most connections on shared cores: a bar for the median, a line from the least to the most."""
    parts, y = [text(20, 32, TITLE, font_size=16, font_weight=600)], 50
    for one in busiest(results, pinned=False):
        y += 30
        parts += [text(20, y - 6, WORK[one["work"]], "faint")]
        costs = {name: spread([r["cpu"] for r in rounds]) for name, rounds in one["rounds"].items()}
        scale = BAR / max(most for _, _, most in costs.values())
        for name, cost in costs.items():
            parts += bar(name, y, cost, scale)
            y += ROW
    y += 24
    count = busiest(results, pinned=False)[0]["connections"]
    parts.append(text(20, y, f"{count} connections; bar: median of the rounds, line: least to most.", "faint", font_size=12))
    return drawing(WIDTH, y + 16, TITLE, words(results), parts)


def bar(name, y, cost, scale):
    """One program's."""
    least, median, most = (value * scale for value in cost)
    kind, weight = ("ours", 600) if name.startswith("pluginmind") else ("other", 400)
    return [
        text(LEFT - 10, y + 15, NAMES[name], anchor="end", font_weight=weight),
        f'<rect class="{kind}" x="{LEFT}" y="{y + 3}" width="{max(2, median):.1f}" height="{ROW - 8}" rx="2"/>',
        line(LEFT + least, y + 12, LEFT + most, y + 12, "spread"),
        text(LEFT + most + 8, y + 16, f"{cost[1]:.1f}"),
    ]


def words(results):
    """What the bars say, for who cannot see them."""
    said = []
    for one in busiest(results, pinned=False):
        costs = ", ".join(f"{NAMES[name]} {middle(rounds, 'cpu'):.1f}" for name, rounds in one["rounds"].items())
        said.append(f"{'Reverse proxy' if one['work'] == 'plain' else 'All the work'}, {one['connections']} connections: {costs}.")
    return f"{TITLE}. {' '.join(said)}"
