"""What came of the axes, as a table and against the goals."""

UNITS = {"instructions": "instructions", "time": "µs CPU"}


def table(results):
    """Every point: what a request costs, and that beside the first point of its series."""
    lines = ["| what grows | size | a request costs | beside the first | memory |", "|---|---|---|---|---|"]
    for axis in results.values():
        for row in axis["rows"]:
            cells = [row["series"], row["size"], cost(axis["by"], row["cost"]), ratio(row["ratio"]), memory(row)]
            lines.append(f"| {' | '.join(cells)} |")
    places = dict.fromkeys(axis["machine"] for axis in results.values())
    return "\n".join([*lines, "", *places])


def cost(by, value):
    """With its unit."""
    return f"{value:,.0f} {UNITS[by]}" if by == "instructions" else f"{value:,.1f} {UNITS[by]}"


def ratio(spread):
    """With its spread over the rounds, where there are any."""
    least, median, most = spread
    return f"{median:.2f}" if least == most else f"{median:.2f} ({least:.2f} to {most:.2f})"


def memory(row):
    """Of the process, or of one of its idle connections."""
    if row["memory"] is None:
        return ""
    if row["series"] == "idle connections":
        return f"{row['memory'] / 1024:.1f} KiB each"
    return f"{row['memory'] / 2**20:.1f} MiB"


def growth(results, axis, series, first, last):
    """How many times as much the last costs as the first; a dash where one of them was not measured."""
    costs = {row["size"]: row for row in results[axis]["rows"] if row["series"] == series}
    if first not in costs or last not in costs:
        return "–"
    return f"{costs[last]['ratio'][1] / costs[first]['ratio'][1]:.2f}"


def goals(results):
    """Rows of the table of goals, by name."""
    keys = ("1,000", "1,000,000")
    parts = [
        f"routes {growth(results, 'routes', 'routes', '10', '1,000')}",
        f"plugins {growth(results, 'plugins', 'plugins that do not match', '1', '100')}",
        f"addresses {growth(results, 'addresses', 'addresses', *keys)}",
        f"users {growth(results, 'users', 'users, 1,000 of them ask', *keys)}",
    ]
    each = [row["memory"] for row in results["idle"]["rows"]]
    return {
        "cost growth: 10 to 1,000 routes; 1 to 100 plugins that do not match; 10³ to 10⁶ bucket keys": "; ".join(parts),
        # The most connections tell it best: what is made once weighs least there.
        "memory per idle keep-alive connection": f"{each[-1] / 1024:.1f} KiB",
    }
