"""Sign-in at a real provider: the certified `oidc-provider` on loopback, the code flow in Chromium, ID tokens exchanged,
keys that rotate, a provider that is down, and tokens that are not for us."""

import argparse
import base64
import contextlib
import hashlib
import json
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from browser import Browser
from curl import curl
from gateway import Gateway
from processes import end, free_port, wait_for_port
from steps import Steps, expect, expect_equal, until

SECRET = "a secret of the client, from its registration"
PERSON = "ada"
EMAIL = f"{PERSON}@example.org"

CONFIG = """\
[server]
listen = "127.0.0.1:{port}"

[admin]
listen = "127.0.0.1:{admin_port}"

[rate_limit]
ip_per_minute = 100_000
ip_burst      = 100_000

[auth.providers.idp]
issuer             = "{issuer}"
client_id          = "gateway"
client_secret_file = "client-secret"
allowed_domains    = ["example.org"]

[[routes]]
name           = "private"
path           = "/private"
login_redirect = true
respond        = {{ status = 200, text = "the private page" }}
"""


class Provider:
    """The provider's process; its keys can change while it is down."""

    def __init__(self, modules, port, gateway_url):
        self.modules = modules
        self.port = port
        self.issuer = f"http://127.0.0.1:{port}"
        callback, captured = f"{gateway_url}/auth/callback/idp", f"{gateway_url}/captured"
        self.clients = [
            {"id": "gateway", "secret": SECRET, "redirects": [callback, captured]},
            {"id": "another", "secret": SECRET, "redirects": [captured]},
        ]
        self.captured = captured
        self.process = None

    def start(self, keys):
        """Starts it with these keys; returns when it listens."""
        setup = json.dumps({"port": self.port, "keys": keys, "clients": self.clients})
        script = Path(__file__).parent / "oidc_provider" / "provider.mjs"
        self.process = subprocess.Popen(
            ["node", str(script), setup],
            cwd=self.modules,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.process, self.port, "the provider")

    def close(self):
        """Ends it when it runs."""
        if self.process is not None:
            end(self.process)

    def key(self, kid):
        """A new private key, made by node as the provider wants it."""
        script = (
            "const {privateKey} = require('crypto').generateKeyPairSync('ec', {namedCurve: 'P-256'});"
            "console.log(JSON.stringify(privateKey.export({format: 'jwk'})))"
        )
        made = subprocess.run(["node", "-e", script], capture_output=True, check=True, timeout=30)
        return {**json.loads(made.stdout), "kid": kid, "use": "sig", "alg": "ES256"}

    def id_token(self, browser, client):
        """An ID token for a client, as a front end of its own would get it: code flow in the browser, code by hand."""
        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": self.captured,
            "scope": "openid email profile",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        browser.visit(f"{self.issuer}/auth?{urlencode(query)}")
        sign_in_there(browser, self.issuer)
        code = parse_qs(urlsplit(browser.driver.current_url).query)["code"][0]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.captured,
            "code_verifier": verifier,
        }
        proof = base64.b64encode(f"{client}:{urlencode({'': SECRET})[1:]}".encode()).decode()
        answer = curl(
            f"{self.issuer}/token", "--header", f"Authorization: Basic {proof}", data=urlencode(form).encode()
        )
        expect_equal(answer.status, 200, f"status of the token endpoint ({answer.body!r})")
        return answer.json()["id_token"]


def sign_in_there(browser, issuer):
    """Fills in the provider's own pages, as many as it shows."""
    for _ in range(4):
        if not browser.driver.current_url.startswith(issuer):
            return
        if browser.find_all("input[name=login]"):
            browser.type_into("input[name=login]", PERSON)
            browser.type_into("input[name=password]", "whatever")
        browser.click_through(browser.find("button[type=submit]"))
    expect(not browser.driver.current_url.startswith(issuer), "the provider did not send the browser back")


class SigningIn:
    """One person, one browser, two providers that share their keys."""

    def __init__(self, gateway, provider, twin, browser):
        self.gateway = gateway
        self.provider = provider
        self.twin = twin
        self.browser = browser
        self.key = provider.key("key-1")
        self.callback = self.first_cookie = self.token = ""

    def steps(self):
        """The sentences and what stands behind them, in order."""
        return (
            ("with the provider down at the start the gateway is ready, and sign-in there is 503", self.down_at_start),
            ("once the provider is up, sign-in there begins, with PKCE S256, state and nonce", self.comes_up),
            ("a person signs in at the provider in Chromium and lands on the page they wanted", self.signs_in),
            ("the gateway knows the verified address; no script of the page can read a token", self.knows_the_person),
            ("the same answer of the provider, replayed in the same browser, is refused", self.replays),
            ("and so it is from another browser", self.replays_elsewhere),
            ("a second sign-in gives a new session and ends the one before", self.signs_in_again),
            ("an ID token that a front end got by itself is exchanged for a session", self.exchanges),
            ("an ID token for another client is refused", self.wrong_audience),
            ("an ID token of another issuer with the very same key is refused", self.wrong_issuer),
            ("with the provider down later known keys still verify, and sessions go on", self.down_later),
            ("after the provider rotated its keys a new token is accepted and an old one is not", self.rotates),
            ("signing out ends the session", self.signs_out),
            ("neither address nor token nor code stands in the log", self.log_is_clean),
        )

    def down_at_start(self):
        self.gateway.start()
        expect_equal(curl(f"{self.gateway.url}/auth/login/idp").status, 503, "status of the sign-in")
        expect_equal(curl(f"{self.gateway.url}/ready").status, 200, "status of /ready")

    def comes_up(self):
        self.provider.start([self.key])
        begun = until("a sign-in", self.begun)
        query = parse_qs(urlsplit(begun.header("location")).query)
        expect_equal(query["code_challenge_method"], ["S256"], "code_challenge_method")
        expect(query["state"] and query["nonce"], "no state or no nonce")
        expect_equal(query["redirect_uri"], [f"{self.gateway.url}/auth/callback/idp"], "redirect_uri")

    def begun(self):
        answer = curl(f"{self.gateway.url}/auth/login/idp")
        return answer if answer.status == 302 else None

    def signs_in(self):
        self.browser.visit(f"{self.gateway.url}/private")
        expect(self.browser.driver.current_url.startswith(f"{self.gateway.url}/auth/login"), "no sign-in page")
        self.browser.take_received()
        self.through_the_provider()
        expect_equal(self.browser.driver.current_url, f"{self.gateway.url}/private", "where it leads")
        expect_equal(self.browser.text(), "the private page", "the page")
        urls = [one.url for one in self.browser.take_received()[0]]
        self.callback = next(url for url in urls if "/auth/callback/idp?" in url)
        expect("iss=" in self.callback, "the provider does not say who it is (RFC 9207)")
        self.first_cookie = self.browser.session_cookie()["value"]

    def through_the_provider(self):
        self.browser.click_through(self.browser.find(".providers a"))
        sign_in_there(self.browser, self.provider.issuer)

    def knows_the_person(self):
        readable = self.browser.readable_state()
        self.browser.visit(f"{self.gateway.url}/auth/me")
        me = json.loads(self.browser.text())
        expect_equal(me["user"]["email"], EMAIL, "the address")
        readable += self.browser.readable_state()
        expect("eyJ" not in readable and self.first_cookie not in readable, "a token can be read")
        expect_equal(self.browser.session_cookie()["httpOnly"], True, "HttpOnly")
        expect(self.browser.driver.get_cookie("pm_login") is None, "the cookie of the sign-in is still there")

    def replays(self):
        self.browser.take_received()
        self.browser.visit(self.callback)
        pages = [one for one in self.browser.take_received()[0] if one.kind == "Document"]
        expect_equal(pages[-1].status, 401, "status")
        expect_equal(self.browser.session_cookie()["value"], self.first_cookie, "the session cookie")

    def replays_elsewhere(self):
        answer = curl(self.callback)
        expect_equal((answer.status, answer.code), (401, "AUTHENTICATION_REQUIRED"), "status and code")
        expect_equal(answer.headers.get("set-cookie"), None, "cookies")

    def signs_in_again(self):
        self.browser.visit(f"{self.gateway.url}/auth/login?return_to=/private")
        self.through_the_provider()
        new = self.browser.session_cookie()["value"]
        expect(new != self.first_cookie, "the session is the old one")
        expect_equal(self.status(self.first_cookie), 401, "status of the old session")
        expect_equal(self.status(new), 200, "status of the new one")

    def exchanges(self):
        self.token = self.provider.id_token(self.browser, "gateway")
        answer = self.exchange(self.token)
        expect_equal(answer.status, 200, f"status ({answer.body!r})")
        expect_equal(answer.json()["user"]["email"], EMAIL, "the address")
        expect(b"eyJ" not in answer.body, "a token is in the body")

    def wrong_audience(self):
        self.is_refused(self.provider.id_token(self.browser, "another"))

    def wrong_issuer(self):
        self.twin.start([self.key])
        self.is_refused(self.twin.id_token(self.browser, "gateway"))

    def down_later(self):
        self.provider.close()
        expect_equal(self.exchange(self.token).status, 200, "status of an exchange")
        self.browser.visit(f"{self.gateway.url}/private")
        expect_equal(self.browser.text(), "the private page", "the page")

    def rotates(self):
        self.provider.start([self.provider.key("key-2")])
        token = self.provider.id_token(self.browser, "gateway")
        expect_equal(self.exchange(token).status, 200, "status of a token by the new key")
        self.is_refused(self.token)

    def signs_out(self):
        cookie = self.browser.session_cookie()["value"]
        expect_equal(self.status(cookie), 200, "status before")
        answer = curl(
            f"{self.gateway.url}/auth/logout",
            *("--request", "POST", "--cookie", f"pm_session={cookie}", "--header", f"Origin: {self.gateway.url}"),
        )
        expect_equal(answer.status, 204, "status of signing out")
        expect_equal(self.status(cookie), 401, "status afterwards")

    def log_is_clean(self):
        log = "\n".join(self.gateway.log_lines())
        code = parse_qs(urlsplit(self.callback).query)["code"][0]
        for secret in (EMAIL, self.token, self.first_cookie, code, SECRET):
            expect(secret not in log, f"{secret[:12]}… stands in the log")

    def exchange(self, token):
        body = json.dumps({"id_token": token}).encode()
        return curl(f"{self.gateway.url}/auth/idp", "--header", "Content-Type: application/json", data=body)

    def is_refused(self, token):
        answer = self.exchange(token)
        expect_equal((answer.status, answer.code), (401, "AUTHENTICATION_REQUIRED"), "status and code")
        expect_equal(answer.headers.get("set-cookie"), None, "cookies")

    def status(self, cookie):
        return curl(f"{self.gateway.url}/private", "--cookie", f"pm_session={cookie}").status


def main():
    """Runs every step and gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--work", type=Path, required=True, help="where everything is written")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = arguments.work / "oidc"
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("gateway", "browser"):
        (folder / part).mkdir(parents=True)
    steps = Steps()
    with contextlib.ExitStack() as started:
        nothing = folder / "nothing"
        gateway = Gateway(arguments.binary, folder / "gateway", "", nothing, nothing)
        started.callback(gateway.close)
        modules = arguments.work / "npm"
        provider = Provider(modules, free_port(), gateway.url)
        twin = Provider(modules, free_port(), gateway.url)
        started.callback(provider.close)
        started.callback(twin.close)
        config = CONFIG.format(port=gateway.port, admin_port=gateway.admin_port, issuer=provider.issuer)
        gateway.save("config.toml", config)
        gateway.save("client-secret", f"{SECRET}\n")
        browser = Browser(folder / "browser")
        started.callback(browser.close)
        for sentence, action in SigningIn(gateway, provider, twin, browser).steps():
            steps.run(sentence, action)
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
