"""Proves that all who are said to do the whole work answer alike, before anybody is timed."""

import http.client
import sys

WANTED_HEADERS = (
    "x-request-id",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "permissions-policy",
    "vary",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
)


def ask(peer, token=None, announced=0, query="", **headers):
    """One request on a connection of its own; of a body that is announced nothing is sent, for its head is enough to judge."""
    connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=10)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        headers["Cookie"] = f"pm_session={token}"
    try:
        if announced:
            headers["Content-Length"] = str(announced)
        connection.request("POST" if announced else "GET", peer.path + query, None, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def plain(peer):
    """A kilobyte comes through."""
    status, _, body = ask(peer)
    must(peer, (status, len(body)) == (200, 1024), f"a plain request: {status}, {len(body)} bytes")


def full(peer, people):
    """Good, none, tampered, algorithm none, expired, too large; id, headers and CORS."""
    status, headers, body = ask(peer, people.tokens[0], Origin="https://app.example", X_Request_ID="proof-1")
    must(peer, (status, len(body)) == (200, 1024), f"a good token: {status}")
    must(peer, headers.get("x-request-id") == "proof-1", "the correlation id is not kept")
    must(peer, headers.get("access-control-allow-origin") == "https://app.example", "the listed origin is not answered")
    absent = [name for name in WANTED_HEADERS if name not in headers]
    must(peer, not absent, f"headers that are not there: {absent}")
    _, other, _ = ask(peer, people.tokens[0], Origin="https://evil.example")
    must(peer, "access-control-allow-origin" not in other, "an origin that is not listed is answered")
    must(peer, other.get("x-request-id", "") not in ("", "proof-1"), "no id of its own")
    status, _, body = ask(peer, people.tokens[0], query="?echo", X_Request_ID="proof-2", X_Auth_Request_User="somebody-else")
    wanted = f"user={people.ids[0][0]} cookie= id=proof-2 for=127.0.0.1"
    must(peer, (status, body.decode()) == (200, wanted), f"the app is told: {status} {body!r}")
    for name, token in {"no cookie": None, **people.bad()}.items():
        status, _, body = ask(peer, token)
        must(peer, status == 401 and b"AUTHENTICATION_REQUIRED" in body, f"{name}: {status}")
    status, _, _ = ask(peer, people.tokens[0], announced=1_100_000, Origin="https://app.example")
    must(peer, status == 413, f"too large: {status}")


def must(peer, holds, what):
    """Ends the comparison unless it holds."""
    if not holds:
        sys.exit(f"{peer.name} does not do the same work: {what}")
