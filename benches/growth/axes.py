"""What grows: for each axis its points, and for each point the gateway and the requests."""

import itertools
import json
import random
from dataclasses import dataclass, field
from typing import Callable

from client import Client, connected, read

HEAD = "Host: gate.example\r\nUser-Agent: growth\r\nAccept: */*\r\nOrigin: https://app.example\r\n"
ROUTE = '[[routes]]\nname = "other{n}"\npath = "/area{n}/things/*"\nauth = "none"\nservice = "app"\n'
HOOK = """fn on_request(req) {{
    if req.path.starts_with("/wp-{n}") {{ deny(404, "grown{n}.not_here", "Nothing is here."); }}
}}
"""
MANIFEST = """name = "grown{n}"
version = "1.0.0"
api = 1
description = "One look at a request's path."
mode = "enforce"
on_error = "deny"
{more}
"""
NO_MATCH = '[match]\npaths = ["/area{n}/**"]'
SIZES = {"1 KiB": 1 << 10, "10 KiB": 10 << 10, "100 KiB": 100 << 10, "1 MiB": 1 << 20, "10 MiB": 10 << 20}
KEYS = (1_000, 10_000, 100_000, 1_000_000)
# The accounts that ask while more and more others are known.
ACTIVE = 1_000
FILL_BURST = 16


@dataclass
class Point:
    """One size of one thing."""

    series: str
    size: str
    requests: Callable
    counted: int = 600
    more: str = ""
    plugins: int = 0
    matching: bool = True
    people: int = 1
    usage_sample: float = 1.0
    ip_per_minute: int = 1_000_000
    fill: Callable | None = None
    idle: int = 0
    kept: list = field(default_factory=list)

    def prepare(self, port):
        """What must be there before anything is counted."""
        if self.fill:
            client = Client(port)
            client.send(self.fill(), FILL_BURST)
            client.close()
        for _ in range(self.idle):
            one = connected(port)
            one.sendall(get("/plain"))
            read(one, 1)
            self.kept.append(one)

    def release(self):
        """Closes what it held."""
        while self.kept:
            self.kept.pop().close()


def get(path, more=""):
    """A request without a body."""
    return f"GET {path} HTTP/1.1\r\n{HEAD}{more}\r\n".encode()


def post(path, kind, body):
    """A request with one."""
    return f"POST {path} HTTP/1.1\r\n{HEAD}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def again(request):
    """The same for ever."""
    return lambda: itertools.repeat(request)


def routes(_):
    """More routes; the one that is asked for is always there."""
    for count in (10, 100, 1_000):
        # Five are in the configuration anyway.
        more = "".join(ROUTE.format(n=n) for n in range(count - 5))
        yield Point("routes", f"{count:,}", again(get("/plain")), more=more)


def plugins(_):
    """More plugins, whose filter lets the request pass by."""
    for count in (0, 1, 10, 100):
        yield Point("plugins that do not match", str(count), again(get("/plain")), plugins=count, matching=False)


def hooks(_):
    """More plugins that each look at the request."""
    for count in (0, 1, 10, 100):
        yield Point("plugins that match", str(count), again(get("/plain")), plugins=count)


def write_plugins(folder, point):
    """The folder of a point's plugins."""
    for n in range(point.plugins):
        place = folder / f"grown{n}"
        place.mkdir(parents=True)
        (place / "plugin.toml").write_text(MANIFEST.format(n=n, more="" if point.matching else NO_MATCH.format(n=n)))
        (place / "main.rhai").write_text(HOOK.format(n=n))


def address(n):
    """One of a million addresses, all as long as each other in text."""
    return f"111.{100 + n // 10_000}.{100 + n // 100 % 100}.{100 + n % 100}"


def addresses(_):
    """More addresses with a bucket; any of them asks."""
    for count in KEYS:
        def one(n):
            return get("/answer", f"X-Forwarded-For: {address(n)}\r\n")

        def anybody(count=count):
            return (one(random.randrange(count)) for _ in itertools.repeat(None))

        yield Point("addresses", f"{count:,}", anybody, usage_sample=0.0, ip_per_minute=1, fill=lambda count=count: map(one, range(count)))


def users(people):
    """More accounts, each with a session, a token and a bucket; a thousand of them ask, or any of them."""
    tokens = people.tokens

    def one(n):
        return get("/known", f"Cookie: pm_session={tokens[n]}\r\n")

    for series, asking in (("users, 1,000 of them ask", ACTIVE), ("users, any of them asks", None)):
        for count in KEYS:
            def somebody(most=asking or count):
                return (one(random.randrange(most)) for _ in itertools.repeat(None))

            yield Point(series, f"{count:,}", somebody, usage_sample=0.0, people=count, fill=lambda count=count: map(one, reversed(range(count))))


def bodies(_):
    """Longer bodies in either direction."""
    for name, size in SIZES.items():
        counted = max(8, min(600, (40 << 20) // size))
        yield Point("request body", name, again(post("/upload", "application/octet-stream", b"x" * size)), counted=counted)
    for name, size in SIZES.items():
        counted = max(8, min(600, (40 << 20) // size))
        yield Point("response body", name, again(get(f"/files/{size}")), counted=counted)


def write_files(folder):
    """What the app answers with."""
    (folder / "files").mkdir()
    for size in SIZES.values():
        (folder / "files" / str(size)).write_bytes(b"x" * size)


def idle(_):
    """More connections that have asked once and wait."""
    for count in (10, 100, 1_000, 10_000):
        yield Point("idle connections", f"{count:,}", again(get("/plain")), idle=count)


SCHEMA = """[[routes]]
name = "orders"
path = "/orders"
auth = "none"
service = "app"
content_types = ["application/json"]
{schema}
"""
WITH_SCHEMA = """
[routes.body_schema]
type = "object"
required = ["order", "customer", "items"]
additionalProperties = false
[routes.body_schema.properties]
order = { type = "string", pattern = "^[A-Z]{2}-[0-9]{6}$" }
customer = { type = "object", required = ["name"], properties = { name = { type = "string", maxLength = 80 }, vip = { type = "boolean" } } }
[routes.body_schema.properties.items]
type = "array"
maxItems = 50
items = { type = "object", required = ["sku", "count"], properties = { sku = { type = "string", minLength = 3 }, count = { type = "integer", minimum = 1 }, price = { type = "number" } } }
"""


def schema(_):
    """A JSON body of about a kilobyte, looked at by a schema or not."""
    items = [{"sku": f"part-{n:04}", "count": n + 1, "price": n * 1.25} for n in range(20)]
    body = json.dumps({"order": "AB-123456", "customer": {"name": "Somebody", "vip": False}, "items": items}).encode()
    request = post("/orders", "application/json", body)
    for size, more in (("off", ""), ("on", WITH_SCHEMA)):
        yield Point("schema", size, again(request), more=SCHEMA.format(schema=more))


# Each with what it is measured by. To fill a million buckets takes too long under callgrind, and what would grow there is not
# the count of instructions but the wait for memory. Many hooks run out of a request's time there, and are stopped.
AXES = {
    "routes": (routes, "instructions"),
    "plugins": (plugins, "instructions"),
    "hooks": (hooks, "time"),
    "addresses": (addresses, "time"),
    "users": (users, "time"),
    "bodies": (bodies, "instructions"),
    "idle": (idle, "instructions"),
    "schema": (schema, "instructions"),
}
