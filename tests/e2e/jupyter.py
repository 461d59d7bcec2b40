"""JupyterLab behind the gateway, in Chromium: a kernel runs a cell over its WebSocket while the configuration is reloaded
twenty times, and signing out ends the WebSocket."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

import canaries
from browser import Browser
from curl import curl
from gateway import Gateway
from processes import end, free_port, wait_for_port
from steps import Steps, expect, expect_equal, until

RELOADS = 20

CONFIG = """\
[server]
listen   = "127.0.0.1:{port}"
body_max = "10 MB"

[admin]
listen = "127.0.0.1:{admin_port}"

[rate_limit]
user_per_minute = 100_000
user_burst      = 100_000
ip_per_minute   = 100_000
ip_burst        = 100_000

[[services]]
name = "jupyter"
urls = ["http://127.0.0.1:{app_port}"]

[[routes]]
name    = "jupyter"
path    = "/*"
service = "jupyter"
tags    = ["edit-{edition}"]
"""

# Counts for as long as the reloads take, one line each.
CELL = """\
import time
for n in range(60):
    print("line", n, flush=True)
    time.sleep(0.1)
print("the product is", 6 * 7)
"""

NOTEBOOK = {
    "cells": [{"cell_type": "code", "execution_count": None, "id": "one", "metadata": {}, "outputs": [], "source": CELL}],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}

# Every WebSocket that the page opens, and how it ended.
WATCH_SOCKETS = """
window.seen = [];
const Real = window.WebSocket;
window.WebSocket = class extends Real {
    constructor(...all) {
        super(...all);
        const entry = {url: String(all[0]), code: 0, at: 0};
        window.seen.push(entry);
        this.addEventListener("close", event => { entry.code = event.code; entry.at = Date.now(); });
    }
};
"""


class Jupyter:
    """JupyterLab on a free port; the gateway in front knows who is asking, so it asks nobody."""

    def __init__(self, python, folder):
        self.port = free_port()
        notebooks = folder / "notebooks"
        notebooks.mkdir()
        (notebooks / "cell.ipynb").write_text(json.dumps(NOTEBOOK))
        options = (
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={notebooks}",
            "--IdentityProvider.token=",
            "--PasswordIdentityProvider.hashed_password=",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        )
        places = {name: str(folder / name.lower()) for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
        environment = {"PATH": f"{Path(python).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}", **places}
        for place in places.values():
            Path(place).mkdir()
        with open(folder / "jupyter.log", "wb") as log:
            self.process = subprocess.Popen(
                [python, "-m", "jupyterlab", *options], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for_port(self.process, self.port, "JupyterLab", seconds=90)

    def close(self):
        """Ends it, and with it its kernels."""
        end(self.process)


class Visit:
    """One person at a notebook."""

    def __init__(self, gateway, app, browser):
        self.gateway = gateway
        self.app = app
        self.browser = browser
        self.edition = 0

    def steps(self):
        """The sentences and what stands behind them, in order."""
        return (
            ("nobody reaches JupyterLab without signing in", self.is_closed),
            ("a WebSocket from another site is refused before JupyterLab hears of it", self.refuses_foreign_sockets),
            ("the notebook opens and its kernel is ready, over a WebSocket through the gateway", self.opens),
            (f"the cell prints on while the configuration is reloaded {RELOADS} times", self.runs_over_reloads),
            ("no WebSocket was closed by the reloads", self.keeps_sockets),
            ("the gateway counts the open WebSockets", self.counts),
            ("the cell runs again over the same WebSockets", self.runs_again),
            ("signing out closes every WebSocket within a second", self.signs_out),
        )

    def is_closed(self):
        expect_equal(curl(f"{self.gateway.url}/lab").status, 401, "status")

    def refuses_foreign_sockets(self):
        self.browser.visit(f"{self.gateway.url}/auth/login?return_to=/api")
        self.browser.type_into("input[name=username]", canaries.NAME)
        self.browser.type_into("input[name=password]", canaries.PASSWORD)
        self.browser.click_through(self.browser.find("button[type=submit]"))
        cookie = self.browser.session_cookie()["value"]
        handshake = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        headers = [argument for line in (*handshake, f"Cookie: pm_session={cookie}", "Origin: https://evil.example") for argument in ("--header", line)]
        answer = curl(f"{self.gateway.url}/api/events/subscribe", "--http1.1", *headers)
        expect_equal((answer.status, answer.code), (403, "ORIGIN_NOT_ALLOWED"), "answer")

    def opens(self):
        self.browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH_SOCKETS})
        self.browser.visit(f"{self.gateway.url}/lab/tree/cell.ipynb")
        until("the kernel's channel", lambda: any("/channels" in one["url"] for one in self.sockets()), 90)
        until("the cell's editor", self.editor, 60)
        until("an idle kernel", lambda: self.browser.find_all("[data-status=idle]"), 60)

    def runs_over_reloads(self):
        self.run_cell()
        until("the first line", lambda: "line 0" in self.output(), 30)
        for _ in range(RELOADS):
            self.edition += 1
            self.gateway.save_and_wait("config.toml", self.config(), "applied")
        expect("the product is" not in self.output(), "the cell was done before the reloads were: nothing is shown by this")
        until("the last line", lambda: "the product is 42" in self.output(), 30)
        missing = [n for n in range(60) if f"line {n}\n" not in self.output()]
        expect_equal(missing, [], "lines that never came")

    def keeps_sockets(self):
        expect_equal([one for one in self.sockets() if one["code"]], [], "closed WebSockets")

    def counts(self):
        lines = [line for line in self.gateway.metrics().splitlines() if line.startswith("pluginmind_") and "websockets_open" in line]
        expect(lines and float(lines[0].rsplit(" ", 1)[1]) >= 1, f"metrics say {lines}")

    def runs_again(self):
        self.run_cell()
        until("the first line again", lambda: "line 1\n" in self.output() and "the product" not in self.output(), 30)

    def signs_out(self):
        open_before = [one for one in self.sockets() if not one["code"]]
        expect(open_before, "no WebSocket is open")
        asked = time.time()
        answer = self.browser.fetch("/auth/logout", method="POST")
        expect_equal(answer["status"], 204, "status")
        until("the end of every WebSocket", lambda: all(one["code"] for one in self.sockets()[: len(open_before)]), 5)
        latest = max(one["at"] for one in self.sockets()[: len(open_before)])
        expect(latest / 1000 - asked < 1.5, f"the last one ended {latest / 1000 - asked:.2f} s after signing out began")

    def editor(self):
        """The cell's editor, once nothing covers it."""
        shown = [one for one in self.browser.find_all(".jp-Notebook .cm-content") if one.is_displayed()]
        return shown[0] if shown and not self.browser.find_all("#jupyterlab-splash") else None

    def run_cell(self):
        until("the cell's editor", self.editor).click()
        ActionChains(self.browser.driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()

    def output(self):
        texts = self.browser.driver.execute_script(
            "return [...document.querySelectorAll('.jp-OutputArea-output')].map(one => one.textContent).join('')"
        )
        return texts

    def sockets(self):
        return self.browser.driver.execute_script("return window.seen")

    def config(self):
        ports = {"port": self.gateway.port, "admin_port": self.gateway.admin_port, "app_port": self.app.port}
        return CONFIG.format(edition=self.edition, **ports)


def main():
    """Runs every step and gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--python", required=True, help="the Python that has JupyterLab")
    parser.add_argument("--work", type=lambda text: Path(text).resolve(), required=True, help="where everything is written")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = arguments.work / "jupyter"
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("gateway", "browser", "app"):
        (folder / part).mkdir(parents=True)
    steps = Steps()
    with contextlib.ExitStack() as started:
        app = steps.run("JupyterLab starts", Jupyter, arguments.python, folder / "app")
        if app is None:
            return steps.finish()
        started.callback(app.close)
        nothing = folder / "nothing"
        gateway = Gateway(arguments.binary, folder / "gateway", "", nothing, nothing)
        started.callback(gateway.close)
        browser = Browser(folder / "browser")
        started.callback(browser.close)
        visit = Visit(gateway, app, browser)
        gateway.save("config.toml", visit.config())
        told = gateway.verb("users", "add", canaries.NAME, stdin=f"{canaries.PASSWORD}\n")
        expect_equal(told.returncode, 0, f"exit code ({told.stdout}{told.stderr})")
        gateway.start()
        for sentence, action in visit.steps():
            steps.run(sentence, action)
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
