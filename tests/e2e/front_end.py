"""The example page of docs/examples/frontend in Chromium, on another origin than the gateway: the listed origin works with
the cookie alone, another one is refused by the browser."""

import argparse
import contextlib
import functools
import shutil
import signal
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import canaries
from browser import Browser
from gateway import Gateway
from steps import Steps, expect, expect_equal, until

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "frontend"
# Where the example says that the gateway is.
WRITTEN = "http://localhost:8080"

CONFIG = """\
[server]
listen = "127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:{admin_port}"

[cors]
origins = ["{origin}"]

[[routes]]
name    = "private"
path    = "/private"
respond = {{ status = 200, text = "the private answer" }}
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        """No line a request."""


class Site:
    """The page on an origin of its own: a port that nobody else has."""

    def __init__(self, folder):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


class FrontEnd:
    """One person, two pages of the same text."""

    def __init__(self, gateway, listed, other, browser):
        self.gateway = gateway
        self.listed = listed
        self.other = other
        self.browser = browser

    def steps(self):
        """The sentences and what stands behind them, in order."""
        return (
            ("the page on the listed origin learns that nobody is signed in", self.is_signed_out),
            ("without a session its request is answered with 401 and the id to look for", self.is_refused),
            ("after signing in at the gateway the page knows who it is, without any token", self.is_signed_in),
            ("its request across origins is answered, by the cookie alone", self.is_answered),
            ("the browser keeps the gateway's answers from the page on another origin", self.other_learns_nothing),
            ("and that page ends no session", self.other_ends_nothing),
            ("the page on the listed origin signs out", self.signs_out),
        )

    def is_signed_out(self):
        self.browser.visit(self.listed.origin)
        until("the page says so", self.browser.find("#signed-out").is_displayed)

    def is_refused(self):
        self.browser.find("#ask").click()
        told = until("a problem", lambda: self.browser.find("#problem").text)
        expect("401 AUTHENTICATION_REQUIRED" in told and "request unknown" not in told, told)

    def is_signed_in(self):
        self.browser.visit(f"{self.gateway.url}/auth/login?return_to=/private")
        self.browser.type_into("input[name=username]", canaries.NAME)
        self.browser.type_into("input[name=password]", canaries.PASSWORD)
        self.browser.click_through(self.browser.find("button[type=submit]"))
        cookie = self.browser.session_cookie()["value"]
        self.browser.visit(self.listed.origin)
        until("the page knows who it is", lambda: self.browser.find("#name").text == canaries.NAME)
        state = self.browser.readable_state()
        expect(cookie not in state and "eyJ" not in state, "a token can be read")

    def is_answered(self):
        self.browser.find("#ask").click()
        until("the answer", lambda: self.browser.find("#answer").text == "the private answer")
        expect_equal(self.browser.find("#problem").text, "", "the problem")

    def other_learns_nothing(self):
        self.browser.visit(self.other.origin)
        told = until("a problem", lambda: self.browser.find("#problem").text)
        expect(f"cannot be reached from {self.other.origin}" in told, told)
        self.browser.find("#ask").click()
        until("a problem", lambda: self.browser.find("#problem").text)
        expect_equal(self.browser.find("#answer").text, "", "the answer")
        expect_equal(self.browser.find("#name").get_attribute("textContent"), "", "the name")

    def other_ends_nothing(self):
        answer = self.browser.fetch(f"{self.gateway.url}/auth/logout", method="POST", credentials="include")
        expect_equal(answer["status"], 0, "status that the page can see")
        self.browser.visit(self.listed.origin)
        until("still signed in", lambda: self.browser.find("#name").text == canaries.NAME)

    def signs_out(self):
        self.browser.find("#sign-out").click()
        until("the page says so", self.browser.find("#signed-out").is_displayed)
        expect(self.browser.session_cookie() is None, "the browser still has the session cookie")


def main():
    """Runs every step and gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--work", type=Path, required=True, help="where everything is written")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = arguments.work / "front-end"
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("gateway", "browser"):
        (folder / part).mkdir(parents=True)
    steps = Steps()
    with contextlib.ExitStack() as started:
        nothing = folder / "nothing"
        gateway = Gateway(arguments.binary, folder / "gateway", "", nothing, nothing)
        started.callback(gateway.close)
        page = folder / "page"
        shutil.copytree(EXAMPLE, page)
        index = (page / "index.html").read_text()
        expect_equal(index.count(WRITTEN), 2, "places that name the gateway")
        (page / "index.html").write_text(index.replace(WRITTEN, gateway.url))
        listed, other = Site(page), Site(page)
        started.callback(listed.close)
        started.callback(other.close)
        ports = {"port": gateway.port, "admin_port": gateway.admin_port}
        gateway.save("config.toml", CONFIG.format(origin=listed.origin, **ports))
        told = gateway.verb("users", "add", canaries.NAME, stdin=f"{canaries.PASSWORD}\n")
        expect_equal(told.returncode, 0, f"exit code ({told.stdout}{told.stderr})")
        gateway.start()
        browser = Browser(folder / "browser")
        started.callback(browser.close)
        for sentence, action in FrontEnd(gateway, listed, other, browser).steps():
            steps.run(sentence, action)
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
