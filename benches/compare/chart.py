"""Bars of processor time per request, as an SVG that a README can show."""

import statistics
from html import escape

WIDTH, LEFT, ROW, GAP, BAR = 760, 210, 26, 46, 400


def drawn(results):
    """The chart of the rounds with most connections on shared cores."""
    chosen = [one for one in results if not one["pinned"] and one["connections"] == max(r["connections"] for r in results)]
    rows = sum(len(one["rounds"]) for one in chosen)
    height = 40 + rows * ROW + len(chosen) * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-family="system-ui, sans-serif" font-size="14">',
        "<title>Processor time per request</title>",
        "<style>text{fill:#222}.o{fill:#7a8794}.p{fill:#1f6feb}@media(prefers-color-scheme:dark){text{fill:#ddd}.o{fill:#8b98a5}.p{fill:#58a6ff}}</style>",
        '<text x="10" y="24" font-size="16">Microseconds of processor time per request (less is better)</text>',
    ]
    y = 40
    for one in chosen:
        y += 30
        parts.append(f'<text x="10" y="{y - 8}" font-weight="600">{escape(one["work"])}, {one["connections"]} connections</text>')
        costs = {name: statistics.median(r["cpu"] for r in rounds) for name, rounds in one["rounds"].items()}
        most = max(costs.values())
        for name, cost in costs.items():
            length = max(2, BAR * cost / most)
            kind = "p" if name.startswith("pluginmind") else "o"
            parts.append(f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="{ROW - 8}" rx="2"/>')
            parts.append(f'<text x="{LEFT + length + 8:.1f}" y="{y + 15}">{cost:.1f}</text>')
            y += ROW
        y += GAP - 30
    return "\n".join(parts) + "\n</svg>\n"
