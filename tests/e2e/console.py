"""The console in Chromium: each page is read, each action is done, and what it does to the running gateway is looked at from
outside. Then the pages once more without JavaScript, on a narrow screen and in the dark."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from browser import Browser
from curl import curl, session_cookie
from processes import end, free_port, wait_for_port
from receiver import Receiver
from steps import Steps, expect, expect_equal, until

ATTACKER = "203.0.113.88"
BYSTANDER = "198.51.100.20"
NAME = "reader@mail.example"
ADMIN = "operator@mail.example"
PASSWORD = "correct horse battery canary"
PAGES = ("/", "/requests", "/requests/live", "/explain", "/sessions", "/plugins", "/bans", "/lockdown", "/reloads", "/alerts", "/playground")

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

[[services]]
name = "nobody"
urls = ["http://127.0.0.1:9"]

[[routes]]
name    = "open"
path    = "/*"
auth    = "none"
respond = {{ status = 200 }}

[[routes]]
name    = "private"
path    = "/private/*"
auth    = "required"
respond = {{ status = 200 }}

[[alerts]]
name    = "guesses"
when    = "unauthorized"
per     = "ip"
count   = 5
within  = "1m"
webhook = "{webhook}"
"""

MANIFEST = """\
name        = "trap"
version     = "1.0.0"
api         = 1
description = "Nobody asks for this by mistake."
mode        = "shadow"
on_error    = "deny"
"""

RULE = """\
fn on_request(req) {
    if req.path == "/wp-login.php" {
        deny(403, "trap.touched", "Nothing is here.");
    }
    if req.path == "/fault" {
        let list = [];
        deny(403, "trap.never", `${list[7]}`);
    }
}
"""

WIDER = RULE.replace('req.path == "/wp-login.php"', 'req.path.starts_with("/wp-")')


class Site:
    """A gateway in a folder of its own."""

    def __init__(self, binary, folder, receiver):
        self.binary, self.folder, self.process = binary, folder, None
        self.port, self.admin_port = free_port(), free_port()
        self.url, self.admin_url = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.admin_port}"
        text = CONFIG.format(port=self.port, admin_port=self.admin_port, webhook=receiver.url)
        (folder / "config.toml").write_text(text)
        (folder / "plugins" / "trap").mkdir(parents=True)
        (folder / "plugins" / "trap" / "plugin.toml").write_text(MANIFEST)
        self.save("plugins/trap/main.rhai", RULE)

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

    def verb(self, *arguments, stdin=None):
        """Runs a verb that must end well; gives what it printed."""
        told = subprocess.run(self.command(*arguments), input=stdin, capture_output=True, text=True, timeout=60, check=False)
        expect_equal(told.returncode, 0, f"exit code of {arguments[0]} ({told.stdout}{told.stderr})")
        return told.stdout

    def save(self, name, text):
        """Replaces a file by rename, as editors do."""
        path = self.folder / name
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(text)
        os.replace(draft, path)

    def get(self, path, address=BYSTANDER, *arguments, **kinds):
        """One request from an address."""
        return curl(f"{self.url}{path}", "-H", f"X-Forwarded-For: {address}", *arguments, **kinds)

    def sign_in(self):
        """A session of the reader's."""
        body = json.dumps({"username": NAME, "password": PASSWORD}).encode()
        return session_cookie(self.get("/auth/login", BYSTANDER, "-H", "Content-Type: application/json", data=body))

    def works(self, cookie):
        """The status of a page that wants a session."""
        return self.get("/private/page", BYSTANDER, "-H", f"Cookie: pm_session={cookie}").status

    def close(self):
        """Ends it."""
        if self.process is not None:
            end(self.process)


class Operator:
    """Somebody at the console."""

    def __init__(self, site, browser, receiver):
        self.site, self.browser, self.receiver = site, browser, receiver
        self.refused = ""

    def steps(self):
        """The sentences and what stands behind them."""
        return (
            ("every page can be read without signing in, and none has a script or style inside", self.reads),
            ("no page offers an action to who has not signed in", self.is_only_a_reader),
            ("a wrong token is refused, the right one leads in", self.signs_in),
            ("the overview shows rates, services and the policy's generation", self.overviews),
            ("a request appears on the live page by itself", self.watches),
            ("the search finds a refused request, and leads to its explanation", self.searches),
            ("the explanation names stages, the rule and its line", self.explains),
            ("one session is ended, and is dead at once", self.ends_a_session),
            ("all sessions of all people are ended", self.ends_all_sessions),
            ("an address is banned, kept out at once, and let in again", self.bans),
            ("a ban of loopback is refused, and what was typed stays", self.mistypes_a_ban),
            ("lockdown closes the site, the page and the banner say so, and it opens again", self.locks_down),
            ("a plugin in shadow shows what it would have done, and is promoted: the next request is refused", self.promotes),
            ("a faulty line is shown with its caret", self.sees_a_fault),
            ("the plugin is switched off: the next request passes", self.switches_off),
            ("the history of reloads shows an edit's lines, and a broken edit's place", self.reads_history),
            ("an alert was raised, is listed, and a test of it arrives", self.tests_alerts),
            ("the playground judges a request that nobody sent by a rule that nobody saved", self.plays),
            ("the playground shows a broken rule's place, and the file is as it was", self.breaks_in_play),
            ("an account with the role `admin` can sign in too, another cannot", self.signs_in_by_account),
            ("another site's form does nothing", self.is_attacked),
            ("every load succeeded, from this listener alone, and the browser has no complaint", self.all_loaded),
            ("every page fits a narrow screen, in light and in the dark, with readable contrast", self.looks),
            ("the keyboard alone reaches the navigation and the first form", self.tabs),
            ("without JavaScript the pages read the same, and a ban can be made", self.does_without_scripts),
            ("signing out takes the actions away", self.signs_out),
        )

    def open(self, path):
        """Opens a page of the console."""
        self.browser.visit(f"{self.site.admin_url}{path}")

    def flash(self):
        """What the last action came to."""
        found = self.browser.find_all("#flash")
        return found[0].text if found else ""

    def submit(self, form, **fields):
        """Fills a form and sends it."""
        for name, value in fields.items():
            field = self.browser.find(f"{form} [name={name}]")
            if field.tag_name == "select":
                Select(field).select_by_value(value)
            else:
                field.clear()
                field.send_keys(value)
        self.press(f"{form} button[type=submit], {form} button:not([type])")

    def press(self, button):
        """Presses a button that leads to another page, and says yes where the page asks whether it is meant."""
        old, button = self.browser.find("html"), self.browser.find(button)
        button.click()
        with contextlib.suppress(NoAlertPresentException):
            self.browser.driver.switch_to.alert.accept()
        wait = WebDriverWait(self.browser.driver, 30)
        wait.until(lambda driver: driver.find_element(By.TAG_NAME, "html") != old)
        wait.until(lambda driver: driver.execute_script("return document.readyState") == "complete")

    def reads(self):
        for path in PAGES:
            self.open(path)
            expect_equal(self.browser.find("body").get_attribute("data-page"), path, "the page")
            inline = self.browser.driver.execute_script(
                "return document.querySelectorAll('script:not([src]), style, [style], [onclick]').length"
            )
            expect_equal(inline, 0, f"scripts and styles inside {path}")

    def is_only_a_reader(self):
        for path in ("/bans", "/lockdown", "/sessions", "/plugins", "/alerts"):
            self.open(path)
            forms = self.browser.find_all("form[method=post]")
            expect_equal([one.get_attribute("id") for one in forms], [], f"forms of {path}")

    def signs_in(self):
        self.open("/sign-in")
        self.submit("form#sign-in-token", token="not the token")
        expect(self.browser.find_all("form#sign-in-token"), "a wrong token leads in")
        token = (self.site.folder / "data" / "admin.token").read_text().strip()
        self.submit("form#sign-in-token", token=token)
        expect(self.browser.find_all("form#sign-out"), "the token does not lead in")
        cookie = self.browser.driver.get_cookie("pm_console")
        expect_equal((cookie["httpOnly"], cookie["sameSite"]), (True, "Strict"), "the cookie")

    def overviews(self):
        for _ in range(20):
            self.site.get("/page")
        self.open("/")
        for part in ("#rate svg", "#latency svg", "#refusals svg", "table#services", "table#facts"):
            expect(self.browser.find_all(part), f"{part} is not there")
        titles = self.browser.driver.execute_script("return [...document.querySelectorAll('svg')].filter(s => !s.closest('[aria-hidden=true]') && !s.querySelector('title')).length")
        expect_equal(titles, 0, "plots without a title")
        expect("nobody" in self.browser.find("table#services").text, "the service is not named")

    def watches(self):
        self.open("/requests/live")
        before = len(self.browser.find_all("table#live tbody tr"))
        wanted = self.site.get("/wp-login.php", ATTACKER).header("x-request-id")
        until("its row", lambda: wanted in self.browser.find("table#live").get_attribute("innerHTML"), seconds=10)
        expect(len(self.browser.find_all("table#live tbody tr")) > before, "no row was added")

    def searches(self):
        self.refused = self.site.get("/private/page", ATTACKER).header("x-request-id")
        self.open("/requests")
        until("the row is stored", lambda: self.refused in self.site.verb("logs", "--status", "401", "--format", "json"))
        self.submit("form#search", status="401", ip=ATTACKER)
        table = self.browser.find("table#requests")
        expect(self.refused in table.get_attribute("innerHTML"), "the request is not found")
        links = [link for link in self.browser.find_all("table#requests a") if self.refused in link.get_attribute("href")]
        self.browser.click_through(links[0])
        expect("/explain" in self.browser.driver.current_url, "the link leads elsewhere")
        expect(ATTACKER not in self.browser.find("main").text, "the address stands in the explanation")

    def explains(self):
        self.open(f"/explain?id={self.refused}")
        expect("identity" in self.browser.find("#stages").text, "the stage")
        expect("AUTHENTICATION_REQUIRED" in self.browser.find("main").text, "the code")
        shadowed = self.site.get("/wp-login.php", ATTACKER).header("x-request-id")
        until("the row is stored", lambda: shadowed in self.site.verb("logs", "--format", "json"))
        self.open(f"/explain?id={shadowed}")
        expect("trap/main.rhai:3" in self.browser.find("table#rules").text, "the rule and its line")

    def ends_a_session(self):
        cookie = self.site.sign_in()
        expect_equal(self.site.works(cookie), 200, "before")
        self.open("/sessions")
        self.press("table#sessions form.end-session button")
        expect(self.flash(), "nothing is said")
        expect_equal(self.site.works(cookie), 401, "after")

    def ends_all_sessions(self):
        cookies = [self.site.sign_in() for _ in range(3)]
        self.open("/sessions")
        self.browser.click_through(self.browser.find("a#end-all"))
        self.press("form#confirm-end-all button")
        expect_equal([self.site.works(cookie) for cookie in cookies], [401] * 3, "after")

    def bans(self):
        self.open("/bans")
        self.submit("form#add-ban", target=ATTACKER, ttl="1h", reason="guesses keys")
        expect_equal(self.site.get("/", ATTACKER).code, "BANNED", "the next request")
        expect(self.browser.find_all(f"table#bans tr[data-target='{ATTACKER}'], table#bans tr[data-target='{ATTACKER}/32']"), "the ban is not listed")
        self.press("table#bans form.revoke-ban button")
        expect_equal(self.site.get("/", ATTACKER).status, 200, "the next request")

    def mistypes_a_ban(self):
        self.open("/bans")
        self.submit("form#add-ban", target="127.0.0.1", reason="a mistake")
        expect_equal(self.browser.find("form#add-ban [name=target]").get_attribute("value"), "127.0.0.1", "what was typed")
        expect_equal(self.browser.find_all("table#bans tbody tr[data-target^='127.']"), [], "bans of loopback")

    def locks_down(self):
        self.open("/lockdown")
        self.submit("form#lockdown-on", ttl="10m", reason="an exercise")
        expect_equal(self.site.get("/page").code, "LOCKDOWN", "the next request")
        expect_equal(self.browser.find("#state").get_attribute("data-on"), "true", "the page")
        self.open("/")
        expect("lockdown" in self.browser.find("#banners").text.lower(), "no banner")
        self.open("/lockdown")
        self.submit("form#lockdown-off")
        expect_equal(self.site.get("/page").status, 200, "the next request")

    def plugin(self):
        """The plugin's part of the page."""
        return "section.plugin[data-plugin=trap]"

    def switch(self, to):
        """Another mode, by way of its confirmation."""
        self.open("/plugins")
        self.browser.click_through(self.browser.find(f"{self.plugin()} a.switch[data-to={to}]"))
        expect(self.browser.find_all("#impact") or to != "enforce", "the impact is not shown")
        self.press("form#switch-mode button")

    def promotes(self):
        self.open("/plugins")
        expect("trap.touched" in self.browser.find(f"{self.plugin()} table.verdicts").text, "what it would have done")
        self.switch("enforce")
        until("the next request is refused", lambda: self.site.get("/wp-login.php", ATTACKER).code == "trap.touched")
        self.open("/plugins")
        expect_equal(self.browser.find(self.plugin()).get_attribute("data-mode"), "enforce", "the mode")

    def sees_a_fault(self):
        expect_equal(self.site.get("/fault", ATTACKER).status, 503, "a fault")
        self.open("/plugins")
        finding = self.browser.find(f"{self.plugin()} pre.finding").text
        expect("^" in finding and "main.rhai:7" in finding.replace(" ", ""), f"no place: {finding}")

    def switches_off(self):
        self.switch("off")
        until("the next request passes", lambda: self.site.get("/wp-login.php", ATTACKER).status == 200)

    def reads_history(self):
        self.site.save("plugins/trap/main.rhai", WIDER)
        self.see_in_history("starts_with", "pre.diff")
        self.site.save("plugins/trap/main.rhai", RULE.replace('deny(403, "trap.touched"', 'deny(403, "trap.touched'))
        self.see_in_history("main.rhai", "#problems")
        expect("stale" in self.browser.find("body").text.lower(), "nothing says that the policy is stale")
        self.site.save("plugins/trap/main.rhai", RULE)
        until("the repair", lambda: curl(f"{self.site.url}/ready").json().get("policy") == "current")

    def see_in_history(self, text, where):
        def is_there():
            self.open("/reloads")
            return any(text in (one.get_attribute("textContent") or "") for one in self.browser.find_all(where))

        until(f"{text} in {where}", is_there)

    def tests_alerts(self):
        for number in range(8):
            self.site.get("/private/page", ATTACKER, "-H", f"X-Api-Key: pm_{number:016x}_nokeynokeynokey")
        until("the message", lambda: self.receiver.messages(event="raised"))
        self.open("/alerts")
        expect("guesses" in self.browser.find("table#alerts").text, "the alert is not listed")
        self.press("form#send-test button")
        until("the test", lambda: self.receiver.messages(event="test"))

    def play(self, script, path):
        """Judges a request by an edited rule."""
        self.open("/playground?plugin=trap")
        set_value = "arguments[0].value = arguments[1]"
        self.browser.driver.execute_script(set_value, self.browser.find("form#playground [name=script]"), script)
        request = f"GET {path} HTTP/1.1\nHost: 127.0.0.1\n"
        self.browser.driver.execute_script(set_value, self.browser.find("form#playground [name=request]"), request)
        self.submit("form#playground")

    def plays(self):
        rows = self.rows()
        self.play(WIDER, "/wp-admin")
        verdict = self.browser.find("#verdict")
        expect_equal(verdict.get_attribute("data-status"), "403", "status")
        expect("trap/main.rhai:3" in self.browser.find("table#rules").text, "the rule and its line")
        expect_equal(self.site.get("/wp-admin").status, 200, "the running gateway")
        expect_equal((self.site.folder / "plugins" / "trap" / "main.rhai").read_text(), RULE, "the file")
        expect_equal(self.rows() - rows, 2, "rows that were written: the first mark, the request that was sent, and none that was played")

    def rows(self):
        """How many requests are stored."""
        mark = self.site.get("/mark").header("x-request-id")
        until("the mark is stored", lambda: mark in self.site.verb("logs", "--format", "json", "--limit", "10"))
        return len(json.loads(self.site.verb("logs", "--format", "json", "--limit", "1000"))) - 1

    def breaks_in_play(self):
        self.play("fn on_request(req) {\n    deny(403 \"x.y\", \"z\");\n}\n", "/")
        expect("^" in self.browser.find("#problems").text, "no place")
        expect_equal((self.site.folder / "plugins" / "trap" / "main.rhai").read_text(), RULE, "the file")

    def signs_in_by_account(self):
        self.open("/")
        self.press("form#sign-out button")
        for name, leads_in in ((NAME, False), (ADMIN, True)):
            self.open("/sign-in")
            self.submit("form#sign-in-account", username=name, password=PASSWORD)
            expect_equal(bool(self.browser.find_all("form#sign-out")), leads_in, f"{name} is in")

    def is_attacked(self):
        cookie = self.browser.driver.get_cookie("pm_console")["value"]
        form = ("-H", f"Cookie: pm_console={cookie}", "-H", "Content-Type: application/x-www-form-urlencoded")
        evil = ("-H", "Origin: https://evil.example", "-H", "Sec-Fetch-Site: cross-site")
        url = f"{self.site.admin_url}/bans"
        data = b"do=add&kind=address&target=198.51.100.99"
        expect_equal(curl(url, *form, *evil, data=data).status, 403, "from another site")
        expect(curl(url, *form, "-H", f"Origin: {self.site.admin_url}", data=data).status in (400, 403), "without the field")
        expect_equal(curl(url, "-H", "Host: rebound.example").status, 421, "under another name")
        expect("198.51.100.99" not in self.site.verb("bans", "list"), "it was banned")

    def all_loaded(self):
        received, failures = self.browser.take_received()
        # Streams end when their page is left; what has no address is the browser's own business.
        failures = [one for one in failures if "/requests/events" not in one and not one.startswith("?")]
        expect_equal(failures, [], "loads that failed")
        elsewhere = [one.url for one in received if not one.url.startswith(self.site.admin_url)]
        expect_equal(elsewhere, [], "loads from elsewhere")
        wrong = [one for one in received if one.status >= 400 and "/sign-in" not in one.url and "/bans" not in one.url and "/playground" not in one.url]
        expect_equal(wrong, [], "answers that are errors")
        complaints = [one for one in self.browser.take_complaints() if "status of 4" not in one]
        expect_equal(complaints, [], "complaints of the browser")

    def looks(self):
        for scheme in ("light", "dark"):
            self.browser.driver.execute_cdp_cmd(
                "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            )
            self.browser.driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False}
            )
            for path in PAGES:
                self.open(path)
                wide = self.browser.driver.execute_script("return document.documentElement.scrollWidth")
                expect(wide <= 361, f"{path} is {wide} wide on a screen of 360")
                contrast, where = self.browser.driver.execute_script(CONTRAST)
                expect(contrast >= 4.5, f"{path}: contrast {contrast:.2f} in {scheme} of {where}")
        self.browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def tabs(self):
        self.open("/bans")
        script = "return document.activeElement.closest('nav') ? 'nav' : (document.activeElement.closest('form#add-ban') ? 'form' : document.activeElement.tagName)"
        seen = []
        for _ in range(60):
            self.browser.driver.switch_to.active_element.send_keys("\ue004")
            seen.append(self.browser.driver.execute_script(script))
        expect("nav" in seen and "form" in seen, f"reached: {sorted(set(seen))}")

    def does_without_scripts(self):
        self.browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            for path in PAGES:
                self.open(path)
                expect(self.browser.find("main").text.strip(), f"{path} is empty")
            self.open("/bans")
            self.submit_without_scripts("form#add-ban", target=ATTACKER, ttl="1h")
            expect_equal(self.site.get("/", ATTACKER).code, "BANNED", "the next request")
            self.site.verb("bans", "revoke", ATTACKER)
        finally:
            self.browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    def submit_without_scripts(self, form, **fields):
        for name, value in fields.items():
            field = self.browser.find(f"{form} [name={name}]")
            field.clear()
            field.send_keys(value)
        self.browser.find(f"{form} button").click()
        until("the ban", lambda: ATTACKER in self.site.verb("bans", "list"))

    def signs_out(self):
        self.open("/bans")
        self.press("form#sign-out button")
        self.open("/bans")
        expect_equal(self.browser.find_all("form#add-ban"), [], "the form")


# The least contrast of text on the page, by WCAG 2.2 section 1.4.3; texts on pictures and such without words are passed over.
CONTRAST = """
const parse = color => (color.match(/[\\d.]+/g) || []).map(Number);
const luminance = ([r, g, b]) => {
    const part = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); };
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const behind = element => {
    for (; element; element = element.parentElement) {
        const color = parse(getComputedStyle(element).backgroundColor);
        if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
};
let least = 21, where = "";
for (const element of document.querySelectorAll("body *:not(svg *):not(svg)")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !element.offsetParent || element.disabled) continue;
    const a = luminance(parse(getComputedStyle(element).color)), b = luminance(behind(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least) [least, where] = [ratio, element.outerHTML.slice(0, 120)];
}
return [least, where];
"""


def main():
    """Starts everything, walks through it, ends everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="pluginmind-console-") as place, contextlib.ExitStack() as started:
        receiver = Receiver()
        started.callback(receiver.close)
        site = Site(arguments.binary, Path(place), receiver)
        started.callback(site.close)
        steps.run("`users add` makes a reader", lambda: site.verb("users", "add", NAME, stdin=f"{PASSWORD}\n"))
        steps.run("`users add` makes an operator", lambda: site.verb("users", "add", ADMIN, "--role", "admin", stdin=f"{PASSWORD}\n"))
        if steps.run("the gateway starts", site.start):
            (Path(place) / "browser").mkdir()
            browser = Browser(Path(place) / "browser")
            started.callback(browser.close)
            for sentence, action in Operator(site, browser, receiver).steps():
                steps.run(sentence, action)
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
