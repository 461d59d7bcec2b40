"""The visit itself: refused, signed in, browsing, a rule that changes under way, signed out."""

import json

import canaries
from curl import curl
from gateway import OPEN_RULE, RULE
from steps import expect, expect_equal, until

CLOSING_RULE = """\
fn on_request(req) {
    if req.path_is("/visit/places/**") || req.path == "/visit/places" {
        deny(403, "visit.places_closed", "The places are closed.");
    }
}
"""

# The third line lacks its closing quote.
BROKEN_RULE = """\
fn on_request(req) {
    if req.path_is("/**") {
        deny(418, "visit.broken, "Never live.");
    }
}
"""
BROKEN_LINE = 3


class BrowserVisit:
    """One person with one browser."""

    def __init__(self, gateway, app, browser):
        self.gateway = gateway
        self.app = app
        self.browser = browser
        self.cookie = ""
        self.refused_id = ""

    def steps(self):
        """The sentences and what stands behind them, in order."""
        return (
            ("a visitor without a session is refused: 401, AUTHENTICATION_REQUIRED, in the envelope", self.is_refused),
            ("a wrong password is refused on the page and gives no cookie", self.mistypes),
            ("signing in on the page leads to the app", self.signs_in),
            ("the session cookie is HttpOnly, SameSite=Lax, for the whole site", self.cookie_is_guarded),
            ("clicks lead from the database to a table, its facets, a filter, a row and back", self.browses),
            ("an SQL query of the visitor's own is answered", self.queries),
            ("every page, style and script of the app came with 200, and the console has no complaint", self.all_loaded),
            ("the app's own scripts run", self.scripts_run),
            ("a form of the app is posted through the gateway and written", self.posts_a_form),
            ("the app sees who it is, and never the session cookie", self.app_knows_the_person),
            ("no script of the page can read the cookie or any token", self.scripts_read_nothing),
            ("after an edit of a rule the next click is refused with the new rule's code", self.rule_is_edited),
            ("a broken edit changes nothing, and readiness says so", self.edit_is_broken),
            ("`pluginmind status` names file, line and column of the broken edit", self.status_names_the_place),
            ("after the repair the next click passes", self.edit_is_repaired),
            ("signing out in the page is answered with 204, and the browser has no cookie", self.signs_out),
            ("after signing out the visitor is refused again", self.is_refused_again),
            ("the old cookie, replayed by curl, is refused", self.old_cookie_is_dead),
        )

    def is_refused(self):
        self.browser.visit(f"{self.gateway.url}/visit/places?name={canaries.QUERY_VALUE}")
        expect_equal(self.page_status(), 401, "status of the page")
        error = json.loads(self.browser.text())["error"]
        expect_equal(sorted(error), ["code", "correlation_id", "message"], "members of the envelope")
        expect_equal(error["code"], "AUTHENTICATION_REQUIRED", "code")
        self.refused_id = error["correlation_id"]

    def mistypes(self):
        self.browser.visit(f"{self.gateway.url}/auth/login?return_to=/")
        self.browser.take_received()
        self.fill_the_form("not the password")
        expect_equal(self.page_status(), 401, "status of the page")
        expect(self.browser.find_all("input[name=password]"), "the form is not shown again")
        expect(self.browser.session_cookie() is None, "there is a session cookie")

    def signs_in(self):
        self.browser.visit(f"{self.gateway.url}/auth/login?return_to=/")
        self.browser.take_received()
        self.browser.take_complaints()
        self.fill_the_form(canaries.PASSWORD)
        expect_equal(self.browser.driver.current_url, f"{self.gateway.url}/", "where it leads")
        expect("visit" in self.browser.text(), "the app does not show its database")
        self.cookie = self.browser.session_cookie()["value"]

    def fill_the_form(self, password):
        self.browser.type_into("input[name=username]", canaries.NAME)
        self.browser.type_into("input[name=password]", password)
        self.browser.click_through(self.browser.find("button[type=submit]"))

    def cookie_is_guarded(self):
        cookie = self.browser.session_cookie()
        expect_equal(cookie["httpOnly"], True, "HttpOnly")
        expect_equal(cookie["sameSite"], "Lax", "SameSite")
        expect_equal(cookie["path"], "/", "Path")
        expect_equal(cookie["domain"], "127.0.0.1", "the host that it is for")

    def browses(self):
        self.click("a[href='/visit']")
        self.click("a[href='/visit/places']")
        expect("12,000 rows" in self.browser.text(), "the table does not show its rows")
        self.click("p.suggested-facets a")
        expect(self.browser.find_all(".facet-results li"), "there are no facets")
        self.click(".facet-results li a")
        self.browser.visit(f"{self.gateway.url}/visit/places?name__contains={canaries.QUERY_VALUE}")
        expect("0 rows" in self.browser.text(), "the filter found something")
        self.browser.visit(f"{self.gateway.url}/visit/places?_size=10")
        self.click("td.type-pk a")
        expect("About place 1" in self.browser.text(), "the row is not shown")
        self.browser.driver.back()

    def queries(self):
        self.browser.visit(f"{self.gateway.url}/visit?sql=select+'{canaries.QUERY_VALUE}'+as+answer")
        expect_equal(self.browser.find("table.rows-and-columns td").text, canaries.QUERY_VALUE, "the answer")

    def all_loaded(self):
        received, failures = self.browser.take_received()
        expect_equal(failures, [], "loads that failed")
        bad = [one for one in received if one.status not in (200, 303, 304)]
        expect_equal(bad, [], "answers that are not 200")
        kinds = {one.kind for one in received if one.status == 200}
        expect({"Document", "Stylesheet", "Script"} <= kinds, f"only these kinds were loaded: {sorted(kinds)}")
        expect(len(received) >= 12, f"only {len(received)} answers were seen")
        expect(all(one.url.startswith(self.gateway.url) for one in received), "something was loaded from elsewhere")
        expect_equal(self.browser.take_complaints(), [], "complaints of the console")

    def scripts_run(self):
        self.browser.visit(f"{self.gateway.url}/visit/places")
        icons = until("menus that the table's script adds", lambda: self.browser.find_all("th .dropdown-menu-icon"))
        # The script adds the icons before it listens to them: a click that comes in between is nobody's.
        until("the menu opens", lambda: self.menu_opens(icons[0]))

    def menu_opens(self, icon):
        is_open = lambda: any(menu.is_displayed() for menu in self.browser.find_all(".dropdown-menu"))
        if not is_open():
            icon.click()
        return is_open()

    def posts_a_form(self):
        self.browser.visit(f"{self.gateway.url}/visit/add_note")
        self.browser.type_into("form input[name=text], form textarea[name=text]", f"{canaries.BODY} typed")
        self.browser.click_through(self.browser.find("form input[type=submit]"))
        expect_equal(self.app.notes(), [f"{canaries.BODY} typed"], "the notes in the app's database")

    def app_knows_the_person(self):
        answer = self.browser.fetch("/-/actor.json", headers={"X-Auth-Request-User": "root"})
        actor = json.loads(answer["body"])["actor"]
        me = json.loads(self.browser.fetch("/auth/me")["body"])
        expect(actor is not None, "the app was told of nobody")
        expect(actor["id"] not in ("root", canaries.NAME, ""), f"the app was told of {actor['id']!r}")
        expect(actor["id"] in json.dumps(me), "the app and /auth/me know different ids")
        expect_equal(actor["email"], canaries.NAME, "the e-mail address that the app got")
        expect("pm_session" not in actor["cookies"], "the session cookie reached the app")
        expect("ds_csrftoken" in actor["cookies"], "the app's own cookie did not reach it")

    def scripts_read_nothing(self):
        self.browser.visit(f"{self.gateway.url}/visit/places")
        state = self.browser.readable_state()
        session = self.browser.fetch("/auth/session")
        expect_equal(json.loads(session["body"])["hasToken"], True, "hasToken")
        readable = state + json.dumps(session) + json.dumps(self.browser.fetch("/auth/me"))
        expect("pm_session" not in readable, "the cookie's name can be read")
        expect(self.cookie not in readable, "the cookie's value can be read")
        expect("eyJ" not in readable, "something that looks like a token can be read")

    def rule_is_edited(self):
        self.browser.visit(f"{self.gateway.url}/visit")
        self.gateway.save_and_wait(RULE, CLOSING_RULE, "applied")
        self.click_is_refused()
        self.browser.visit(f"{self.gateway.url}/visit/cities")
        expect_equal(self.page_status(), 200, "status of a page that the rule does not name")

    def edit_is_broken(self):
        self.gateway.save_and_wait(RULE, BROKEN_RULE, "rejected")
        self.browser.visit(f"{self.gateway.url}/visit")
        expect_equal(self.page_status(), 200, "status of a page that only the broken rule would refuse")
        self.click_is_refused()
        ready = curl(f"{self.gateway.url}/ready")
        expect_equal(ready.status, 200, "status of /ready")
        expect_equal(ready.json().get("policy"), "stale", "policy in /ready")

    def click_is_refused(self):
        self.browser.take_received()
        self.click("a[href='/visit/places']")
        expect_equal(self.page_status(), 403, "status of the page")
        expect_equal(json.loads(self.browser.text())["error"]["code"], "visit.places_closed", "code")

    def status_names_the_place(self):
        told = self.gateway.verb("status")
        place = f"visit-rule/main.rhai:{BROKEN_LINE}:"
        lines = [line for line in told.stdout.splitlines() if place in line]
        expect(lines, f"no line names {place}COLUMN:\n{told.stdout}{told.stderr}")
        column = lines[0].split(place)[1].split(":")[0].split()[0]
        expect(column.isdigit() and int(column) > 0, f"no column in {lines[0]!r}")
        expect("^" in told.stdout, f"no caret under the line:\n{told.stdout}")

    def edit_is_repaired(self):
        self.gateway.save_and_wait(RULE, OPEN_RULE, "applied")
        self.browser.visit(f"{self.gateway.url}/visit")
        self.browser.take_received()
        self.click("a[href='/visit/places']")
        expect_equal(self.page_status(), 200, "status of the page")
        expect_equal(curl(f"{self.gateway.url}/ready").json().get("policy"), "current", "policy in /ready")

    def signs_out(self):
        answer = self.browser.fetch("/auth/logout", method="POST")
        expect_equal(answer["status"], 204, "status")
        expect(self.browser.session_cookie() is None, "the browser still has the session cookie")

    def is_refused_again(self):
        self.browser.take_received()
        self.browser.visit(f"{self.gateway.url}/visit/places")
        expect_equal(self.page_status(), 401, "status of the page")
        expect_equal(json.loads(self.browser.text())["error"]["code"], "AUTHENTICATION_REQUIRED", "code")

    def old_cookie_is_dead(self):
        answer = curl(f"{self.gateway.url}/visit/places", "--cookie", f"pm_session={self.cookie}")
        expect_equal((answer.status, answer.code), (401, "AUTHENTICATION_REQUIRED"), "status and code")

    def click(self, selector):
        """Clicks the first link that fits."""
        self.browser.click_through(self.browser.find(selector))

    def page_status(self):
        """The status of the page that was loaded last."""
        pages = [one for one in self.browser.take_received()[0] if one.kind == "Document"]
        expect(pages, "no page was loaded")
        return pages[-1].status
