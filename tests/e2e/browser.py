"""Chromium without a window, and what it saw on the wire."""

import json
import shutil
from dataclasses import dataclass

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-default-apps",
    "--no-default-browser-check",
    "--no-proxy-server",
    # Nothing but the gateway has an address: whatever asks for another name finds none.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1280,1000",
)

# Everything in which a page could find a token.
READABLE_STATE = """
const dump = store => Object.entries(store).map(([name, value]) => name + "=" + value).join("; ");
return [document.cookie, dump(localStorage), dump(sessionStorage), document.documentElement.outerHTML].join("\\n");
"""

FETCH = """
const [path, options, done] = arguments;
fetch(path, options)
    .then(async answer => done({status: answer.status, body: await answer.text(), headers: [...answer.headers]}))
    .catch(error => done({status: 0, body: String(error), headers: []}));
"""


@dataclass
class Received:
    """One answer that the browser got."""

    url: str
    status: int
    kind: str


class Browser:
    """A fresh profile; every answer is recorded."""

    def __init__(self, folder):
        options = Options()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        service = Service(shutil.which("chromedriver"), log_output=str(folder / "chromedriver.log"))
        try:
            self.driver = webdriver.Chrome(options=options, service=service)
        except BaseException:
            service.stop()
            raise
        self.driver.set_page_load_timeout(60)
        self.driver.set_script_timeout(60)

    def close(self):
        """Ends the browser and its driver."""
        self.driver.quit()

    def visit(self, url):
        """Opens a page."""
        self.driver.get(url)

    def text(self):
        """What the page shows."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def find(self, selector):
        """The first element that fits."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector):
        """All elements that fit."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def type_into(self, selector, text):
        """Types a text into an emptied field."""
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def click_through(self, element):
        """Clicks something that leads to another page, and waits until that one has loaded."""
        old = self.find("html")
        element.click()
        wait = WebDriverWait(self.driver, 30)
        wait.until(lambda driver: driver.find_element(By.TAG_NAME, "html") != old)
        wait.until(lambda driver: driver.execute_script("return document.readyState") == "complete")

    def fetch(self, path, **options):
        """`fetch` from inside the page, on its own site."""
        return self.driver.execute_async_script(FETCH, path, options)

    def readable_state(self):
        """Cookies, storages and markup, as a script of the page can read them."""
        return self.driver.execute_script(READABLE_STATE)

    def session_cookie(self):
        """The session cookie as the browser itself holds it (with its attributes), or nothing."""
        return self.driver.get_cookie("pm_session")

    def take_received(self):
        """The answers since the last time this was asked, in order; and the loads that failed."""
        received, failures, urls = [], [], {}
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            event, about = message["method"], message["params"]
            if event == "Network.requestWillBeSent":
                urls[about["requestId"]] = about["request"]["url"]
                if "redirectResponse" in about:
                    answer = about["redirectResponse"]
                    received.append(Received(answer["url"], answer["status"], about["type"]))
            elif event == "Network.responseReceived":
                answer = about["response"]
                received.append(Received(answer["url"], answer["status"], about["type"]))
            elif event == "Network.loadingFailed" and not about.get("canceled"):
                failures.append(f"{urls.get(about['requestId'], '?')}: {about['errorText']}")
        return [one for one in received if one.url.startswith("http")], failures

    def take_complaints(self):
        """What the console complained about since the last time this was asked: blocked styles, broken scripts."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
