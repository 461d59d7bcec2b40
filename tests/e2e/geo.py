"""Where clients are, for real: a country database of ip-location-db (CC0, from npm), in a gateway that runs geo-block. The
database comes, changes and is damaged while the gateway serves."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from processes import end, free_port, wait_for_port
from steps import Steps, expect, expect_equal, until

DATABASE = "node_modules/@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb"

CONFIG = """\
[server]
listen          = "127.0.0.1:{port}"
trusted_proxies = ["127.0.0.1/32"]

[admin]
listen = "127.0.0.1:{admin_port}"

[geo]
country = "country.mmdb"

[plugins]
path    = "{plugins}"
scripts = "{scripts}"

[plugins.geo-block]
mode = "enforce"
settings.block_countries = ["KP", "AQ"]

[[routes]]
name    = "open"
path    = "/open"
auth    = "none"
respond = {{ status = 200 }}

[[routes]]
name    = "status"
path    = "/status"
auth    = "none"
tags    = ["public"]
respond = {{ status = 200 }}
"""

# Networks that have been where they are for decades: the only one of North Korea, and two of RIPE NCC's own.
NORTH_KOREA = "175.45.176.1"
NETHERLANDS = "193.0.6.139"
NETHERLANDS_V6 = "2001:67c:2e8:22::c100:68b"


class Site:
    """A gateway in a folder of its own."""

    def __init__(self, binary, plugins, scripts, folder):
        self.binary = binary
        self.folder = folder
        self.port, self.admin_port = free_port(), free_port()
        config = CONFIG.format(port=self.port, admin_port=self.admin_port, plugins=plugins, scripts=scripts)
        (folder / "config.toml").write_text(config)
        self.process = None

    def verb(self, *arguments):
        """Runs a verb; gives its exit code and all that it said."""
        command = [self.binary, "-c", str(self.folder / "config.toml"), *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    def start(self):
        """Starts it, and waits until it serves."""
        command = [self.binary, "-c", str(self.folder / "config.toml"), "serve"]
        log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        wait_for_port(self.process, self.port, "the gateway")

    def ask(self, path, client):
        """Asks as a client at that address; gives the status and the code of a refusal."""
        url = f"http://127.0.0.1:{self.port}{path}"
        command = ["curl", "-s", "-m", "10", "-H", f"X-Forwarded-For: {client}", "-w", "\n%{http_code}", url]
        body, status = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rsplit("\n", 1)
        code = json.loads(body)["error"]["code"] if body.startswith("{") else ""
        return int(status), code


def warned(site):
    """Without its file, check warns and is content."""
    code, said = site.verb("check")
    expect_equal(code, 0, "exit")
    expect("warning: `geo.country`: country.mmdb is not there" in said, said)


def put(site, bytes_):
    """Puts a database in its place, as docs/OPERATING.md says."""
    new = site.folder / ".new"
    new.write_bytes(bytes_)
    new.rename(site.folder / "country.mmdb")


def blocked_at_once(site, database):
    """The database is copied beside the running gateway, and the next request from there is refused."""
    expect_equal(site.ask("/open", NORTH_KOREA), (200, ""), "before")
    put(site, database)
    until("the block", lambda: site.ask("/open", NORTH_KOREA) == (403, "geo.country_blocked"))
    expect_equal(site.ask("/open", NETHERLANDS), (200, ""), "the Netherlands")
    expect_equal(site.ask("/open", NETHERLANDS_V6), (200, ""), "the Netherlands over IPv6")
    expect_equal(site.ask("/status", NORTH_KOREA), (200, ""), "a public route")


def explained(site):
    """Explain says which line refuses, with the country of the database."""
    code, said = site.verb("explain", "--curl", "curl http://x/open", "--ip", NORTH_KOREA)
    expect_equal(code, 0, "exit")
    expect("refused 403 geo.country_blocked by geo-block/main.rhai:" in said, said)


def damaged(site, database):
    """A download that broke off is refused and told; the good one stays in force."""
    put(site, database[: len(database) // 2])
    until("the news", lambda: "is no database in MaxMind's format" in site.verb("status")[1])
    expect_equal(site.ask("/open", NORTH_KOREA), (403, "geo.country_blocked"), "still")
    code, said = site.verb("check")
    expect_equal(code, 1, "exit")
    expect("config.toml:9:11" in said, said)
    put(site, database)
    until("the repair", lambda: "is no database" not in site.verb("status")[1])


def other_kind(site):
    """A database of countries is no database of networks."""
    config = site.folder / "config.toml"
    text = config.read_text()
    config.write_text(text.replace("[geo]\n", "[geo]\nasn = \"country.mmdb\"\n"))
    code, said = site.verb("check")
    config.write_text(text)
    expect_equal(code, 1, "exit")
    expect("`geo.asn`: country.mmdb holds no autonomous systems" in said, said)


def main():
    """Runs the steps."""
    parser = argparse.ArgumentParser()
    for name in ["binary", "plugins", "scripts", "work"]:
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    database = (pathlib.Path(given.work) / "geo" / DATABASE).read_bytes()
    steps = Steps()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(given.binary, given.plugins, given.scripts, pathlib.Path(folder))
        steps.run("without its file, check warns and is content", warned, site)
        try:
            site.start()
            steps.run("a database that comes is in force at once", blocked_at_once, site, database)
            steps.run("explain names the line that refuses a country", explained, site)
            steps.run("half a database never goes live, and the good one stays", damaged, site, database)
            steps.run("a database of another kind is told from its content", other_kind, site)
        finally:
            if site.process:
                end(site.process)
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
