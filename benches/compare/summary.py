"""What came of the rounds: ratios of one round to the same round of another, so that what the whole machine did cancels out."""

import statistics

NAMES = {
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "caddy": "Caddy",
    "pluginmind": "PluginMind",
    "haproxy-full": "HAProxy",
    "nginx-lua-full": "nginx + Lua",
    "nginx-lua-cached": "nginx + Lua, tokens cached",
    "nginx-plain": "nginx, doing none of it",
    "pluginmind-full": "PluginMind",
    "pluginmind-full-hook": "PluginMind + a rule",
}
# Each with its column, its factor and the digits that are shown.
KINDS = {
    "cpu": ("CPU, µs a request", 1, 1),
    "rate": ("requests/s", 1, 0),
    "p50": ("p50, µs", 1, 0),
    "p99": ("p99, µs", 1, 0),
    "memory": ("memory, MiB", 2**-20, 1),
}


def middle(rounds, kind):
    """The median of one figure."""
    return statistics.median(one[kind] for one in rounds)


def spread(values):
    """Least, median, most."""
    return min(values), statistics.median(values), max(values)


def ratios(rounds, base, kind):
    """Of each round to the base's of the same number."""
    return [one[kind] / other[kind] for one, other in zip(rounds, base, strict=True)]


def shown(values):
    """A ratio with its spread."""
    least, median, most = spread(values)
    return f"{median:.2f} ({least:.2f} to {most:.2f})"


def busiest(results, pinned):
    """The results with most connections, of each kind of work."""
    most = max(one["connections"] for one in results)
    return [one for one in results if one["connections"] == most and one["pinned"] == pinned]


def where(pinned):
    """Who has which cores."""
    return "one" if pinned else "shared"


def table(results):
    """Everything: a median and the ratio to the first program of its block, of each figure."""
    head = ["work", "connections", "cores", "program", *(part for name, _, _ in KINDS.values() for part in (name, "ratio"))]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in results:
        base = next(iter(one["rounds"].values()))
        for name, rounds in one["rounds"].items():
            cells = [one["work"], str(one["connections"]), where(one["pinned"]), NAMES[name]]
            for kind, (_, factor, digits) in KINDS.items():
                cells.append(f"{middle(rounds, kind) * factor:.{digits}f}")
                cells.append("1" if rounds is base else shown(ratios(rounds, base, kind)))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def against(results, work, pinned, connections, ours, others, kind="cpu"):
    """Our ratio to each of the others, median and spread; a dash where that was not measured."""
    for one in results:
        if (one["work"], one["pinned"], one["connections"]) == (work, pinned, connections):
            return [shown(ratios(one["rounds"][ours], one["rounds"][other], kind)) for other in others]
    return ["–"] * len(others)


def goals(results):
    """Rows of the table of goals, by name."""
    def cpu(work, ours, *others):
        one, shared = (" / ".join(against(results, work, pinned, 64, ours, others)) for pinned in (True, False))
        return f"one core: {one}; shared: {shared}"

    hook, peer = "pluginmind-full-hook", ["haproxy-full"]
    p99 = [against(results, "full", True, count, hook, peer, "p99")[0] for count in (64, 8)]
    after = [middle(one["rounds"][hook], "memory") * 2**-20 for one in results if one["work"] == "full"]
    return {
        "plain route: CPU vs nginx / HAProxy": cpu("plain", "pluginmind", "nginx", "haproxy"),
        "full pipeline + one hook: CPU vs HAProxy / nginx + Lua at equal work": cpu("full", hook, "haproxy-full", "nginx-lua-full"),
        "full pipeline, no hook: CPU vs plain nginx (doing none of it)": cpu("full", "pluginmind-full", "nginx-plain"),
        "p99 on one pinned core vs HAProxy at equal work, 64 / 8 connections": " / ".join(p99),
        "memory, 1,000 sessions, after load": f"{max(after):.1f} MiB" if after else "–",
    }


def brief(results):
    """The few lines of the README: our processor time beside each of the others'."""
    rows = [
        ("Reverse proxy (PluginMind with everything on): nginx", "plain", "pluginmind", "nginx"),
        ("… HAProxy", "plain", "pluginmind", "haproxy"),
        ("… Caddy", "plain", "pluginmind", "caddy"),
        ("Equal work, and a rule: HAProxy", "full", "pluginmind-full-hook", "haproxy-full"),
        ("… nginx + Lua", "full", "pluginmind-full-hook", "nginx-lua-full"),
        ("… nginx + Lua with a cache of verified tokens", "full", "pluginmind-full-hook", "nginx-lua-cached"),
    ]
    lines = ["| PluginMind's processor time per request to that of … | on one core | on shared cores |", "|---|---|---|"]
    for name, work, ours, other in rows:
        cells = [against(results, work, pinned, 64, ours, [other])[0] for pinned in (True, False)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
