"""What holds after a crash and at the end: sessions that ended stay ended, and the log tells nothing of anybody."""

import json
import sqlite3

import canaries
from curl import curl
from processes import end
from steps import expect, expect_equal


class Afterwards:
    """Looks at what the two visitors left behind."""

    def __init__(self, gateway, app, browser_visit, wire_visit):
        self.gateway = gateway
        self.app = app
        self.browser_visit = browser_visit
        self.wire_visit = wire_visit

    def steps(self):
        """The sentences and what stands behind them, in order."""
        return (
            ("after kill -9 and a restart the signed-out cookie is still 401, and the live one still 200", self.crashes),
            ("`pluginmind sessions revoke` ends a session in the running gateway", self.is_revoked),
            ("an app that is gone is 502 UPSTREAM_UNREACHABLE in the envelope", self.loses_the_app),
            ("SIGTERM ends the gateway with exit code 0", self.stops),
            ("`pluginmind check` finds nothing wrong with the folder", self.is_checked),
            ("every line of the log is one JSON object", self.log_is_json),
            ("the refusal's correlation id leads to its line in the log", self.log_has_the_refusal),
            ("the log holds no name, address, cookie, token, body or query value", self.log_tells_nothing),
            ("neither do the usage rows in the database", self.rows_tell_nothing),
        )

    def status_with(self, cookie):
        return curl(f"{self.gateway.url}/visit.json", "--cookie", f"pm_session={cookie}").status

    def crashes(self):
        self.gateway.kill()
        self.gateway.start()
        expect_equal(self.status_with(self.browser_visit.cookie), 401, "status with the signed-out cookie")
        expect_equal(self.status_with(self.wire_visit.cookie), 200, "status with the live cookie")

    def is_revoked(self):
        told = self.gateway.verb("sessions", "revoke", "--all")
        expect_equal(told.returncode, 0, f"exit code ({told.stderr.strip()})")
        expect_equal(self.status_with(self.wire_visit.cookie), 401, "status with the revoked cookie")

    def loses_the_app(self):
        end(self.app.process)
        answer = curl(f"{self.gateway.url}/-/versions.json", "--header", "X-Forwarded-For: 203.0.113.79")
        expect_equal((answer.status, answer.code), (502, "UPSTREAM_UNREACHABLE"), "status and code")

    def stops(self):
        expect_equal(self.gateway.stop(), 0, "exit code")

    def is_checked(self):
        told = self.gateway.verb("check")
        expect_equal(told.returncode, 0, f"exit code ({told.stdout}{told.stderr})")

    def log_is_json(self):
        lines = self.gateway.log_lines()
        expect(len(lines) > 60, f"there are only {len(lines)} lines")
        for line in lines:
            expect(is_object(line), f"not an object: {line!r}")

    def log_has_the_refusal(self):
        wanted = self.browser_visit.refused_id
        lines = [json.loads(line) for line in self.gateway.log_lines()]
        found = [line for line in lines if wanted and line.get("correlation.id") == wanted]
        expect_equal(len(found), 1, f"lines with {wanted!r}")
        expect_equal(found[0]["code"], "AUTHENTICATION_REQUIRED", "code")
        expect_equal(found[0]["http.response.status_code"], 401, "status")

    def log_tells_nothing(self):
        self.tells_nothing("\n".join(self.gateway.log_lines()))

    def rows_tell_nothing(self):
        connection = sqlite3.connect(self.gateway.folder / "data/pluginmind.db")
        try:
            rows = connection.execute("select * from query_logs").fetchall()
        finally:
            connection.close()
        expect(len(rows) > 60, f"there are only {len(rows)} usage rows")
        self.tells_nothing("\n".join(str(row) for row in rows))

    def tells_nothing(self, text):
        found = canaries.found_in(text, [self.browser_visit.cookie, self.wire_visit.cookie])
        expect_equal(found, [], "what was found")


def is_object(line):
    """Whether the line is one JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
