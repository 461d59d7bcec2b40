"""What a client outside of a browser gets: streams, limits, other sites, spoofed headers."""

import json

import canaries
from curl import curl, session_cookie
from steps import expect, expect_equal

CSV = "/visit/places.csv?_stream=on&_size=max"
BODY_MAX = 64 * 1024


class WireVisit:
    """One person with curl; keeps a session of its own."""

    def __init__(self, gateway, app):
        self.gateway = gateway
        self.app = app
        self.cookie = ""

    def steps(self):
        """The sentences and what stands behind them, in order."""
        return (
            ("a sign-in by JSON gives a session", self.signs_in),
            ("a streamed download of megabytes is byte for byte the app's own", self.downloads),
            ("HEAD is answered without a body", self.asks_for_the_head),
            ("a body below the limit arrives whole, declared or chunked", self.uploads),
            ("a body over the limit is 413 REQUEST_TOO_LARGE, declared or chunked, and nothing is written", self.is_too_large),
            ("a post from another site's page is 403 ORIGIN_NOT_ALLOWED", self.other_site_posts),
            ("a preflight of a listed origin is 204, and its answers may be read", self.listed_preflight),
            ("a preflight of an unlisted origin is 403 without CORS headers", self.unlisted_preflight),
            ("the request after the last token is 429 with the time to wait", self.is_limited),
            ("identity headers that a client invents do not reach the app", self.spoofs),
            ("a client's correlation id comes back, and an unfit one does not", self.correlates),
            ("the security headers stand on the app's answers, and its Server header does not", self.is_hardened),
            ("an ambiguous path is 400 and not forwarded", self.is_ambiguous),
            ("the shipped honeypot refuses with trap.sprung", self.springs_a_trap),
        )

    def ask(self, path, *arguments, data=None):
        """A request with the session."""
        cookie = ("--cookie", f"pm_session={self.cookie}")
        return curl(f"{self.gateway.url}{path}", *cookie, *arguments, data=data)

    def post(self, path, body, *arguments, origin=None):
        """A form, posted with the session from this site or another one."""
        headers = ("--header", f"Origin: {origin or self.gateway.url}")
        return self.ask(path, *headers, *arguments, data=body)

    def signs_in(self):
        body = json.dumps({"username": canaries.NAME, "password": canaries.PASSWORD}).encode()
        answer = curl(f"{self.gateway.url}/auth/login", "--header", "Content-Type: application/json", data=body)
        expect_equal(answer.status, 200, "status")
        expect_equal(answer.json()["status"], "ok", "status in the body")
        self.cookie = session_cookie(answer)
        expect(self.cookie, "there is no session cookie")

    def downloads(self):
        through = self.ask(CSV)
        direct = curl(f"{self.app.url}{CSV}")
        expect_equal(through.status, 200, "status")
        expect(len(direct.body) > 3_000_000, f"the app itself sent only {len(direct.body)} bytes")
        expect(through.body == direct.body, f"{len(through.body)} bytes differ from the app's {len(direct.body)}")

    def asks_for_the_head(self):
        answer = self.ask("/visit/places.json?_size=1", "--head")
        expect_equal((answer.status, answer.body), (200, b""), "status and body")

    def uploads(self):
        before = len(self.app.notes())
        note = canaries.BODY + "x" * 40_000
        form = f"text={note}".encode()
        for extra in ((), ("--header", "Transfer-Encoding: chunked")):
            answer = self.post("/visit/add_note?_json=1", form, *extra)
            expect_equal(answer.status, 200, f"status {extra}: {answer.body[:200]!r}")
        expect(self.app.notes()[before:] == [note, note], "the notes are not what was sent")

    def is_too_large(self):
        before = self.app.notes()
        form = b"text=" + b"x" * BODY_MAX
        for extra in ((), ("--header", "Transfer-Encoding: chunked")):
            answer = self.post("/visit/add_note?_json=1", form, *extra)
            expect_equal((answer.status, answer.code), (413, "REQUEST_TOO_LARGE"), f"status and code {extra}")
        expect(self.app.notes() == before, "a note was written")

    def other_site_posts(self):
        before = self.app.notes()
        for origin in ("https://elsewhere.example", "null"):
            answer = self.post("/visit/add_note?_json=1", b"text=forged", origin=origin)
            expect_equal((answer.status, answer.code), (403, "ORIGIN_NOT_ALLOWED"), f"status and code for {origin}")
        expect(self.app.notes() == before, "a note was written")

    def preflight(self, origin):
        asks = ("--request", "OPTIONS", "--header", f"Origin: {origin}")
        return curl(f"{self.gateway.url}/visit/places.json", *asks, "--header", "Access-Control-Request-Method: GET")

    def listed_preflight(self):
        origin = "https://listed.example"
        answer = self.preflight(origin)
        expect_equal(answer.status, 204, "status")
        expect_equal(answer.header("access-control-allow-origin"), origin, "the origin that is allowed")
        expect_equal(answer.header("access-control-allow-credentials"), "true", "credentials")
        plain = self.ask("/visit/places.json?_size=1", "--header", f"Origin: {origin}")
        expect_equal((plain.status, plain.headers.get("access-control-allow-origin")), (200, [origin]), "the answer")

    def unlisted_preflight(self):
        answer = self.preflight("https://elsewhere.example")
        expect_equal((answer.status, answer.code), (403, "ORIGIN_NOT_ALLOWED"), "status and code")
        allowed = [name for name in answer.headers if name.startswith("access-control-allow")]
        expect_equal(allowed, [], "headers that allow something")

    def is_limited(self):
        client = ("--header", f"X-Forwarded-For: {canaries.ADDRESS}")
        answers = [curl(f"{self.gateway.url}/-/versions.json", *client) for _ in range(4)]
        expect_equal([one.status for one in answers], [200, 200, 200, 429], "statuses")
        last = answers[-1]
        expect_equal(last.code, "RATE_LIMIT_EXCEEDED", "code")
        expect(1 <= int(last.header("retry-after")) <= 60, f"Retry-After: {last.header('retry-after')}")
        expect_equal(last.header("x-ratelimit-remaining"), "0", "what is left")
        other = curl(f"{self.gateway.url}/-/versions.json", "--header", "X-Forwarded-For: 203.0.113.78")
        expect_equal(other.status, 200, "status for another client")

    def spoofs(self):
        lies = ("X-Auth-Request-User: root", "X_Auth_Request_User: root", f"X-Auth-Request-Email: {canaries.HEADER_VALUE}")
        arguments = [word for lie in lies for word in ("--header", lie)]
        actor = self.ask("/-/actor.json", *arguments, "--header", f"X-Forwarded-For: {canaries.ADDRESS}").json()["actor"]
        expect(actor["id"] != "root", "the app believes the client's own header")
        expect_equal(actor["email"], canaries.NAME, "the e-mail address that the app got")
        expect_equal(actor["spoofed"], None, "the header with underscores")
        expect(canaries.ADDRESS in actor["forwarded_for"], f"X-Forwarded-For is {actor['forwarded_for']!r}")

    def correlates(self):
        kept = self.ask("/visit.json", "--header", "X-Request-ID: visit-17.a_b")
        expect_equal(kept.headers.get("x-request-id"), ["visit-17.a_b"], "the id that came back")
        unfit = self.ask("/visit.json", "--header", "X-Request-ID: two words")
        expect(unfit.header("x-request-id") not in ("", "two words"), "an unfit id came back, or none")

    def is_hardened(self):
        answer = self.ask("/visit")
        expect_equal(answer.header("x-content-type-options"), "nosniff", "X-Content-Type-Options")
        expect(answer.header("x-frame-options"), "there is no X-Frame-Options")
        expect(answer.header("referrer-policy"), "there is no Referrer-Policy")
        expect_equal(answer.header("server"), "", "Server")

    def is_ambiguous(self):
        for path in ("/visit/../-/actor.json", "/visit/%2e%2e/-/actor.json", "/visit%2fplaces", "//visit", "/visit;/..;/x"):
            answer = self.ask(path, "--path-as-is")
            expect_equal((answer.status, answer.code), (400, "BAD_REQUEST"), f"status and code for {path}")

    def springs_a_trap(self):
        answer = curl(f"{self.gateway.url}/.env")
        expect_equal((answer.status, answer.code), (404, "trap.sprung"), "status and code")
