"""The gateway under test: its folder, its process, its verbs, and edits of its files as an editor makes them."""

import os
import re
import shutil
import subprocess

from curl import curl
from processes import end, free_port, wait_for_port
from steps import until

CONFIG = """\
environment = "development"

[server]
listen          = "127.0.0.1:{port}"
trusted_proxies = ["127.0.0.1/32"]
drain_timeout   = "5s"

[admin]
listen = "127.0.0.1:{admin_port}"

# Datasette says `Referrer-Policy: no-referrer`, under which browsers send `Origin: null` with a form of the same site.
[headers]
override = true

[cors]
origins = ["https://listed.example"]

[rate_limit]
user_per_minute = 100_000
user_burst      = 100_000
ip_per_minute   = 100_000
ip_burst        = 100_000

[[services]]
name   = "datasette"
urls   = ["{app}"]
health = "/-/versions.json"

[[routes]]
name    = "app"
path    = "/*"
service = "datasette"
auth    = "required"

[[routes]]
name     = "notes"
path     = "/visit/add_note"
service  = "datasette"
auth     = "required"
body_max = "64 KiB"

[[routes]]
name       = "metered"
path       = "/-/versions.json"
service    = "datasette"
auth       = "none"
rate_limit = {{ ip_per_minute = 1, ip_burst = 3, user_per_minute = 1, user_burst = 3 }}
"""

MANIFEST = """\
name        = "visit-rule"
version     = "1.0.0"
api         = 1
description = "A rule that is edited while somebody visits."
mode        = "enforce"
on_error    = "deny"
"""

OPEN_RULE = """\
fn on_request(req) {
    if req.path_is("/closed/**") { deny(403, "visit.closed", "This part is closed."); }
}
"""

RULE = "plugins/visit-rule/main.rhai"


class Gateway:
    """The binary in a folder of its own."""

    def __init__(self, binary, folder, app, shipped_plugins, shipped_scripts):
        self.binary = binary
        self.folder = folder
        self.port = free_port()
        self.admin_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self.log_path = folder / "gateway.log"
        self.process = None
        for source in (shipped_plugins, shipped_scripts):
            if source.is_dir():
                shutil.copytree(source, folder / source.name)
        config = CONFIG.format(port=self.port, admin_port=self.admin_port, app=app)
        (folder / "config.toml").write_text(config)
        self.save("plugins/visit-rule/plugin.toml", MANIFEST)
        self.save(RULE, OPEN_RULE)

    def start(self):
        """Starts it, or starts it again; returns when both listeners accept."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self._command("serve"),
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for_port(self.process, self.port, "the gateway")
        wait_for_port(self.process, self.admin_port, "the gateway's admin listener")

    def kill(self):
        """Ends it without a word, as a crash does."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks it to end and gives the exit code."""
        return end(self.process)

    def close(self):
        """Ends it when it still runs."""
        if self.process is not None:
            end(self.process)

    def verb(self, *arguments, stdin=None):
        """Runs a verb beside it."""
        return subprocess.run(
            self._command(*arguments),
            cwd=self.folder,
            env=self._environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def save(self, path, text):
        """Replaces a file by rename, as editors do."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.draft")
        draft.write_text(text)
        os.replace(draft, target)

    def save_and_wait(self, path, text, outcome):
        """Saves a file and waits until the gateway has taken it (`applied`) or thrown it out (`rejected`)."""
        before = self.reloads(outcome)
        self.save(path, text)
        until(f"a reload that is {outcome}", lambda: self.reloads(outcome) > before)

    def reloads(self, outcome):
        """How many reloads ended so, by the metrics."""
        pattern = rf'^pluginmind_config_reloads_total{{outcome="{outcome}"}} (\d+)'
        found = re.search(pattern, self.metrics(), re.MULTILINE)
        return int(found.group(1)) if found else 0

    def metrics(self):
        """The metrics page."""
        return curl(f"{self.admin_url}/metrics").body.decode()

    def log_lines(self):
        """Every line written so far."""
        return self.log_path.read_text().splitlines()

    def _command(self, *arguments):
        return [str(self.binary), "-c", str(self.folder / "config.toml"), *arguments]

    def _environment(self):
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}
