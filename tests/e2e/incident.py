"""An incident from its first alert to its end, by the command line alone: somebody guesses passwords and keys, the operator is
told by webhook, looks, explains, keeps them out, locks down, ends the sessions, and opens again."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from curl import curl, session_cookie
from processes import end, free_port, wait_for_port
from receiver import Receiver
from steps import Steps, expect, expect_equal, until

SECRET = "a-secret-that-both-sides-know-0123456789"
ATTACKER = "203.0.113.77"
BYSTANDER = "198.51.100.9"
NAME = "canary.person@mail.example"
PASSWORD = "correct horse battery canary"
QUERY = "canary-query-value"

CONFIG = """\
[server]
listen          = "127.0.0.1:{port}"
trusted_proxies = ["127.0.0.1/32"]
drain_timeout   = "5s"

[admin]
listen = "127.0.0.1:{admin_port}"

[plugins]
path    = "plugins"
scripts = "scripts"

[rate_limit]
user_per_minute = 100_000
user_burst      = 100_000
ip_per_minute   = 100_000
ip_burst        = 100_000

[[routes]]
name    = "open"
path    = "/open"
auth    = "none"
respond = {{ status = 200 }}

[[routes]]
name    = "private"
path    = "/private/*"
auth    = "required"
respond = {{ status = 200 }}

[[alerts]]
name     = "guesses"
when     = "unauthorized"
per      = "ip"
count    = 10
within   = "2s"
cooldown = "1s"
webhook  = "{good}"
secret   = "{secret}"

[[alerts]]
name     = "guesses-again"
when     = "unauthorized"
per      = "all"
count    = 10
within   = "2s"
cooldown = "1s"
webhook  = "{flaky}"
secret   = "{secret}"

[[alerts]]
name     = "guesses-to-nobody"
when     = "unauthorized"
per      = "all"
count    = 10
within   = "2s"
cooldown = "1s"
webhook  = "{hanging}"
secret   = "{secret}"

[[alerts]]
name     = "policy"
when     = "reload_failed"
webhook  = "{good}"
secret   = "{secret}"
"""

MANIFEST = """\
name        = "trap"
version     = "1.0.0"
api         = 1
description = "Nobody asks for this by mistake."
mode        = "enforce"
on_error    = "deny"
"""

RULE = """\
fn on_request(req) {
    if req.path == "/wp-login.php" {
        deny(403, "trap.touched", "Nothing is here.");
    }
}
"""


class Site:
    """A gateway in a folder of its own."""

    def __init__(self, binary, folder, receivers):
        self.binary, self.folder, self.process = binary, folder, None
        self.port, self.admin_port = free_port(), free_port()
        self.url, self.admin_url = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.admin_port}"
        good, flaky, hanging = receivers
        text = CONFIG.format(
            port=self.port, admin_port=self.admin_port, secret=SECRET, good=good.url, flaky=flaky.url, hanging=hanging.url
        )
        (folder / "config.toml").write_text(text)
        (folder / "plugins" / "trap").mkdir(parents=True)
        (folder / "plugins" / "trap" / "plugin.toml").write_text(MANIFEST)
        (folder / "plugins" / "trap" / "main.rhai").write_text(RULE)

    def start(self):
        """Starts it; returns when both listeners accept."""
        with open(self.folder / "gateway.log", "ab") as log:
            self.process = subprocess.Popen(self.command("serve"), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for_port(self.process, self.port, "the gateway")
        wait_for_port(self.process, self.admin_port, "the admin listener")
        return self

    def command(self, *arguments):
        """A command line."""
        return [str(self.binary), "-c", str(self.folder / "config.toml"), *arguments]

    def verb(self, *arguments, stdin=None, ends=0):
        """Runs a verb; gives what it printed."""
        told = subprocess.run(self.command(*arguments), input=stdin, capture_output=True, text=True, timeout=60, check=False)
        expect_equal(told.returncode, ends, f"exit code of {arguments[0]} ({told.stdout}{told.stderr})")
        return told.stdout

    def read(self, *arguments, ends=0):
        """Runs a verb that prints JSON."""
        return json.loads(self.verb(*arguments, "--format", "json", ends=ends))

    def get(self, path, address, *arguments, **kinds):
        """One request from an address."""
        return curl(f"{self.url}{path}", "-H", f"X-Forwarded-For: {address}", *arguments, **kinds)

    def sign_in(self, password, address):
        """A sign-in from an address."""
        body = json.dumps({"username": NAME, "password": password}).encode()
        return self.get("/auth/login", address, "-H", "Content-Type: application/json", data=body)

    def close(self):
        """Ends it."""
        if self.process is not None:
            end(self.process)


class Incident:
    """What happens, in order."""

    def __init__(self, site, receivers):
        self.site = site
        self.good, self.flaky, self.hanging = receivers
        self.cookie, self.trapped, self.refused = "", "", ""

    def steps(self):
        """The sentences and what stands behind them."""
        return (
            ("`alerts test` reaches receivers that answer, and ends 1 while one does not", self.alerts_are_tested),
            ("a person signs in and works", self.works),
            ("ten bad keys from one address raise an alert, signed, within seconds", self.is_told),
            ("the message names a pseudonym, never the address", self.message_is_private),
            ("a receiver that failed gets it when it answers again; one that hangs holds up nobody", self.is_retried),
            ("`logs` finds the requests of that address, and of nobody else", self.looks),
            ("`explain` names the rule and the line that refused a request", self.explains_a_rule),
            ("`explain` names the stage that refused a key", self.explains_a_key),
            ("`bans add` keeps the address out from the next request on; the person works on", self.bans),
            ("loopback and what is in `bans.never` cannot be banned", self.never),
            ("`lockdown on` closes everything but the probes and the sign-in, and shows in /ready and status", self.locks_down),
            ("both outlive a crash", self.crashes),
            ("`lockdown off` opens again at once", self.opens),
            ("`sessions revoke --all` ends the session at once", self.ends_sessions),
            ("`bans revoke` lets the address in again", self.revokes),
            ("a broken edit is told by webhook, and its repair too", self.policy_is_told),
            ("the alert's end is told", self.recovers),
            ("no address, name, password, key or query value is in log, database or messages", self.nothing_leaked),
        )

    def alerts_are_tested(self):
        self.hanging.mood = "fails"
        told = self.site.read("alerts", "test", ends=1)
        expect(isinstance(told, list) and len(told) >= 4, f"an outcome for each alert: {told}")
        expect(self.good.messages(event="test"), "no test message came")
        headers, body = self.good.received[0]
        expect(self.good.is_signed(headers, body), f"the signature is not that of the secret: {headers}")
        self.good.received.clear()
        self.flaky.received.clear()

    def works(self):
        self.cookie = session_cookie(self.site.sign_in(PASSWORD, BYSTANDER))
        expect(self.cookie, "no session")
        self.person_works(200)

    def person_works(self, status, code=""):
        answer = self.site.get("/private/page", BYSTANDER, "-H", f"Cookie: pm_session={self.cookie}")
        expect_equal((answer.status, answer.code), (status, code), "what the person gets")

    def is_told(self):
        self.flaky.mood, self.hanging.mood = "fails", "hangs"
        for number in range(14):
            answer = self.site.get(f"/private/page?q={QUERY}", ATTACKER, "-H", f"X-Api-Key: pm_{number:016x}_canarykeycanarykey")
            expect_equal(answer.status, 401, "status")
        self.refused = answer.header("x-request-id")
        until("an alert at the good receiver", lambda: self.good.messages(name="guesses", event="raised"))
        expect(all(self.good.is_signed(*one) for one in self.good.received), "a signature is not that of the secret")

    def message_is_private(self):
        message = self.good.messages(name="guesses", event="raised")[0]
        expect(message.get("subject"), f"nobody is named: {message}")
        expect(message["count"] >= 10, f"count: {message}")
        expect(ATTACKER not in json.dumps(message), f"the address is in it: {message}")

    def is_retried(self):
        until("a try at the one that fails", lambda: self.flaky.tries >= 2)
        until("a try at the one that hangs", lambda: self.hanging.tries >= 2)
        expect_equal(self.flaky.messages(event="raised"), [], "what the failing one took")
        self.flaky.mood = "well"
        until("the message", lambda: self.flaky.messages(name="guesses-again", event="raised"), seconds=60)

    def looks(self):
        found = self.site.read("logs", "--ip", ATTACKER, "--status", "401", "--since", "1h")
        expect(len(found) >= 14, f"{len(found)} rows")
        expect(all(row["status"] == 401 for row in found), "another status")
        expect(self.refused in json.dumps(found), "the last one is not there")
        expect(len(self.site.read("logs", "--user", NAME)) >= 1, "nothing of the person")
        expect_equal(self.site.read("logs", "--ip", "192.0.2.200"), [], "rows of an address that never came")

    def explains_a_rule(self):
        answer = self.site.get("/wp-login.php", ATTACKER)
        expect_equal((answer.status, answer.code), (403, "trap.touched"), "answer")
        self.trapped = answer.header("x-request-id")
        told = until("the row", lambda: self.explained(self.trapped))
        expect("trap/main.rhai:3" in told, f"the line is not named:\n{told}")
        expect("trap.touched" in told and "on_request" in told, f"stage and code:\n{told}")

    def explained(self, which):
        told = subprocess.run(self.site.command("explain", which), capture_output=True, text=True, timeout=60, check=False)
        return told.stdout if told.returncode == 0 else ""

    def explains_a_key(self):
        told = self.site.verb("explain", self.refused)
        expect("identity" in told and "AUTHENTICATION_REQUIRED" in told, f"stage and code:\n{told}")
        self.site.verb("explain", "no-such-id", ends=1)

    def bans(self):
        self.site.verb("bans", "add", ATTACKER, "--ttl", "1h", "--reason", "guesses keys")
        answer = self.site.get("/open", ATTACKER)
        expect_equal((answer.status, answer.code), (403, "BANNED"), "the next request")
        self.person_works(200)
        expect(ATTACKER in json.dumps(self.site.read("bans", "list")), "not in the list")

    def never(self):
        self.site.verb("bans", "add", "127.0.0.1", ends=1)

    def locks_down(self):
        self.site.verb("lockdown", "on", "--ttl", "30m")
        self.locked_down()

    def locked_down(self):
        self.person_works(403, "LOCKDOWN")
        expect_equal(self.site.get("/open", BYSTANDER).code, "LOCKDOWN", "an open route")
        ready = curl(f"{self.site.url}/ready")
        expect_equal((ready.status, ready.json().get("lockdown")), (200, True), "/ready")
        expect("lockdown" in self.site.verb("status").lower(), "status does not say so")
        expect_equal(self.site.get("/auth/login", BYSTANDER).status, 200, "the sign-in page")

    def crashes(self):
        self.site.process.kill()
        self.site.process.wait()
        self.site.start()
        self.locked_down()
        expect_equal(self.site.get("/open", ATTACKER).code, "BANNED", "the banned address")

    def opens(self):
        self.site.verb("lockdown", "off")
        self.person_works(200)
        expect_equal(curl(f"{self.site.url}/ready").json().get("lockdown", False), False, "/ready")

    def ends_sessions(self):
        self.site.verb("sessions", "revoke", "--all")
        self.person_works(401, "AUTHENTICATION_REQUIRED")

    def revokes(self):
        self.site.verb("bans", "revoke", ATTACKER)
        expect_equal(self.site.get("/open", ATTACKER).status, 200, "the next request")

    def policy_is_told(self):
        rule = self.site.folder / "plugins" / "trap" / "main.rhai"
        self.save(rule, RULE.replace('deny(403, "trap.touched"', 'deny(403, "trap.touched'))
        until("the message", lambda: self.good.messages(name="policy", event="raised"))
        self.save(rule, RULE)
        until("the message of its end", lambda: self.good.messages(name="policy", event="recovered"))

    def save(self, path, text):
        """Replaces a file by rename, as editors do."""
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(text)
        os.replace(draft, path)

    def recovers(self):
        # A crash lies between: whoever asks again sees it rise and end.
        for number in range(14):
            self.site.get("/private/page", ATTACKER, "-H", f"X-Api-Key: pm_{number:016x}_canarykeycanarykey")
        until("the message of its end", lambda: self.good.messages(name="guesses", event="recovered"), seconds=30)

    def nothing_leaked(self):
        self.site.close()
        data = [path.read_bytes() for path in (self.site.folder / "data").iterdir() if path.name.startswith("pluginmind.db")]
        log = (self.site.folder / "gateway.log").read_bytes()
        messages = b"\n".join(body for receiver in (self.good, self.flaky) for _, body in receiver.received)
        for secret in (PASSWORD, QUERY, "canarykeycanarykey"):
            expect(secret.encode() not in b"".join(data), f"{secret} is in the database")
        for canary in (ATTACKER, BYSTANDER, NAME, PASSWORD, QUERY, "canarykeycanarykey", SECRET):
            expect(canary.encode() not in log, f"{canary} is in the log")
            expect(canary.encode() not in messages, f"{canary} is in a message")


def main():
    """Starts everything, walks through it, ends everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="pluginmind-incident-") as place, contextlib.ExitStack() as started:
        receivers = [Receiver(SECRET) for _ in range(3)]
        for receiver in receivers:
            started.callback(receiver.close)
        site = Site(arguments.binary, Path(place), receivers)
        started.callback(site.close)
        steps.run("`users add` makes an account", lambda: site.verb("users", "add", NAME, stdin=f"{PASSWORD}\n"))
        if steps.run("the gateway starts", site.start):
            for sentence, action in Incident(site, receivers).steps():
                steps.run(sentence, action)
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
