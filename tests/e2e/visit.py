"""Starts the app, the gateway and the browser, walks through the visit, and ends what it started."""

import argparse
import contextlib
import shutil
import signal
import sys
from pathlib import Path

import canaries
from afterwards import Afterwards
from app import App
from browser import Browser
from gateway import Gateway
from in_the_browser import BrowserVisit
from on_the_wire import WireVisit
from steps import Steps, expect_equal


def main():
    """Runs every step and gives the exit code."""
    arguments = read_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = fresh_folder(arguments.work)
    steps = Steps()
    with contextlib.ExitStack() as started:
        try:
            visit(steps, started, folder, arguments)
        except Stopped:
            pass
    return steps.finish()


class Stopped(Exception):
    """A step without which there is no visit has failed."""


def visit(steps, started, folder, arguments):
    """Puts the parts up, one step each, then lets the visitors in."""

    def must(sentence, action):
        made = steps.run(sentence, action)
        if made is None:
            raise Stopped
        return made

    app = must("Datasette serves a small SQLite file", lambda: App(folder))
    started.callback(app.close)
    plugins, scripts = arguments.plugins, arguments.scripts
    gateway = Gateway(arguments.binary, make(folder / "gateway"), app.url, plugins, scripts)
    started.callback(gateway.close)
    steps.run("`pluginmind users add` makes an account, the password from standard input", add_account, gateway)
    must("the gateway starts in front of it", lambda: gateway.start() or gateway)
    browser = must("Chromium starts with a fresh profile", lambda: Browser(make(folder / "browser")))
    started.callback(browser.close)

    in_the_browser = BrowserVisit(gateway, app, browser)
    on_the_wire = WireVisit(gateway, app)
    afterwards = Afterwards(gateway, app, in_the_browser, on_the_wire)
    for visitor in (in_the_browser, on_the_wire, afterwards):
        for sentence, action in visitor.steps():
            steps.run(sentence, action)


def add_account(gateway):
    """Makes the visitor's account; no gateway runs yet."""
    told = gateway.verb("users", "add", canaries.NAME, stdin=f"{canaries.PASSWORD}\n")
    expect_equal(told.returncode, 0, f"exit code ({told.stdout}{told.stderr})")


def fresh_folder(work):
    """An empty folder for everything that the visit writes; it stays, for whoever asks why a step failed."""
    folder = work / "run"
    shutil.rmtree(folder, ignore_errors=True)
    return make(folder)


def make(folder):
    """Makes a folder."""
    folder.mkdir(parents=True)
    return folder


def read_arguments():
    """What `run` passes on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--plugins", type=Path, required=True, help="the shipped plugins")
    parser.add_argument("--scripts", type=Path, required=True, help="the shipped scripts")
    parser.add_argument("--work", type=Path, required=True, help="where everything is written")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
