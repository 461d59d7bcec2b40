"""What a gateway says of itself, read by the programs that operators use: Debian's promtool looks at `/metrics` in each state of a
gateway and at the alert rules, and the reference parser of OpenMetrics reads the exemplars. A collector of traces is a receiver here."""

import argparse
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from curl import curl
from processes import end, free_port, wait_for_port
from receiver import Receiver
from steps import Steps, expect, expect_equal, until

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "observability"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"

CONFIG = """\
[server]
listen          = "127.0.0.1:{port}"
trusted_proxies = ["127.0.0.1/32"]

[admin]
listen = "127.0.0.1:{admin_port}"

[plugins]
path    = "plugins"
scripts = "scripts"

[rate_limit]
ip_per_minute = 60
ip_burst      = 40

[tracing]
otlp = "{collector}"

[[services]]
name   = "gone"
urls   = ["http://127.0.0.1:{nobody}"]
health = "/health"

[[routes]]
name    = "open"
path    = "/open"
auth    = "none"
respond = {{ status = 200 }}

[[routes]]
name    = "private"
path    = "/private"
respond = {{ status = 200 }}

[[routes]]
name    = "gone"
path    = "/gone"
auth    = "none"
service = "gone"
"""

MANIFEST = """\
name        = "watched"
version     = "1.0.0"
api         = 1
description = "A rule with numbers of its own."
mode        = "{mode}"
on_error    = "deny"
"""

RULE = """\
fn on_request(req) {
    metric::inc("seen", #{ kind: "a \\"quoted\\" word" });
    metric::observe("length", req.path.len);
    if req.path == "/open" && req.query("no") != "" { deny(403, "watched.no", "No."); }
}
"""


class Site:
    """A gateway in a folder of its own, and a collector beside it."""

    def __init__(self, binary, folder, collector):
        self.binary = binary
        self.folder = folder
        self.port, self.admin_port = free_port(), free_port()
        self.config = CONFIG.format(port=self.port, admin_port=self.admin_port, collector=collector, nobody=free_port())
        self.process = None
        (folder / "config.toml").write_text(self.config)
        (folder / "plugins" / "watched").mkdir(parents=True)
        (folder / "plugins" / "watched" / "main.rhai").write_text(RULE)
        self.mode("enforce")

    def mode(self, mode):
        """Sets the plugin's mode."""
        (self.folder / "plugins" / "watched" / "plugin.toml").write_text(MANIFEST.format(mode=mode))

    def start(self):
        """Starts it, and waits until it serves."""
        command = [self.binary, "-c", str(self.folder / "config.toml"), "serve"]
        log = (self.folder / "log").open("w")
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        wait_for_port(self.process, self.port, "the gateway")

    def ask(self, path, client="203.0.113.1"):
        """Asks as a client at that address; gives the answer."""
        return curl(f"http://127.0.0.1:{self.port}{path}", "-H", f"X-Forwarded-For: {client}")

    def metrics(self, accept="text/plain"):
        """The metrics page."""
        return curl(f"http://127.0.0.1:{self.admin_port}/metrics", "-H", f"Accept: {accept}")

    def number(self, series):
        """The value of one series; 0 where it is absent."""
        found = re.search(rf"^{re.escape(series)} (\S+)$", self.metrics().body.decode(), re.MULTILINE)
        return float(found.group(1)) if found else 0.0


def promtool(*arguments, given=None):
    """Runs promtool, which must be content and have nothing to remark."""
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).strip()
    expect_equal(done.returncode, 0, f"promtool {' '.join(arguments)}: {said}; exit")
    return said


def well_formed(site):
    """Both forms of the metrics are well-formed, and tell of the same families."""
    text = site.metrics().body.decode()
    expect_equal(promtool("check", "metrics", given=text), "", "what promtool remarks")
    answer = site.metrics(OPENMETRICS)
    expect(answer.header("content-type").startswith("application/openmetrics-text; version=1.0.0"), "the content type")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        base = name.removesuffix("_total") if kind == "counter" else name
        expect(base in families, f"{base} is missing in OpenMetrics")
        expect_equal(families[base].type, kind, base)
    return families


def idle(site):
    """Nobody has asked anything yet."""
    families = well_formed(site)
    expect_equal(families["pluginmind_sessions_active"].samples[0].value, 0.0, "sessions")
    expect_equal(site.number("pluginmind_config_stale"), 0.0, "stale")


def busy(site):
    """Many clients at once, of whom some are refused in each way, while the metrics are read."""
    paths = ["/open", "/open?no=1", "/private", "/nothing", "/gone"]
    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(site.ask, paths[n % 5], f"203.0.113.{n % 5}") for n in range(300)]
        while not all(one.done() for one in asked):
            well_formed(site)
        statuses = {one.result().status for one in asked}
    expect_equal(statuses, {200, 401, 403, 404, 429, 502}, "statuses")
    families = well_formed(site)
    routes = {s.labels["route"] for s in families["pluginmind_http_requests"].samples}
    expect(routes <= {"open", "private", "gone", ""}, f"routes {routes}")
    until("the service is down", lambda: 'pluginmind_upstream_up{service="gone"} 0' in site.metrics().body.decode())


def exemplars(site):
    """A bucket's exemplar leads to one line of the log."""
    families = well_formed(site)
    samples = families["pluginmind_http_request_duration_seconds"].samples
    found = [sample.exemplar for sample in samples if sample.exemplar]
    expect(found, "no exemplar")
    lines = [json.loads(line) for line in (site.folder / "log").read_text().splitlines() if '"message":"request"' in line]
    traces = {line["trace.id"] for line in lines}
    expect(all(exemplar.labels["trace_id"] in traces for exemplar in found), "an exemplar that no line has")


def shadow(site):
    """A plugin in shadow counts what it would have done."""
    site.mode("shadow")
    series = 'pluginmind_plugin_decisions_total{decision="deny",mode="shadow",plugin="watched",rule="watched.no"}'
    until("the mode", lambda: site.number('pluginmind_plugin_state{plugin="watched"}') == 1.0)
    expect_equal(site.ask("/open?no=1", "203.0.113.77").status, 200, "status")
    until("the would-be verdict", lambda: site.number(series) == 1.0)
    well_formed(site)


def broken(site):
    """A bad edit is told in the metrics, and its repair too."""
    (site.folder / "config.toml").write_text(site.config + "\nbrust = 1\n")
    until("it is stale", lambda: site.number("pluginmind_config_stale") == 1.0)
    expect(site.number('pluginmind_config_reloads_total{outcome="rejected"}') >= 1.0, "a rejected reload")
    well_formed(site)
    (site.folder / "config.toml").write_text(site.config)
    until("it is in force", lambda: site.number("pluginmind_config_stale") == 0.0)
    well_formed(site)


def rules():
    """The alert rules are rules, their tests pass, and the example is a configuration."""
    promtool("check", "rules", str(DOCS / "alerts.yml"))
    promtool("test", "rules", str(DOCS / "alerts_test.yml"))
    promtool("check", "config", str(DOCS / "prometheus.yml"))


def traced(site, collector):
    """The collector was sent each sampled request as a tree of spans."""
    until("the spans are sent", lambda: site.number("pluginmind_traces_exported_total") > 100)
    expect_equal(site.number("pluginmind_traces_dropped_total"), 0.0, "dropped")
    spans = []
    for _, body in list(collector.received):
        for resource in json.loads(body)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                spans += scope["spans"]
    own = {span["spanId"]: span for span in spans if span["kind"] == 2}
    for span in spans:
        expect(re.fullmatch("[0-9a-f]{32}", span["traceId"]), span["traceId"])
        expect(int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]), "a span that ends before it begins")
        if span["kind"] != 2:
            expect_equal(own[span["parentSpanId"]]["traceId"], span["traceId"], "the trace of a span below")
    expect("203.0.113." not in str(spans), "an address")


def main():
    """Runs the steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    given = parser.parse_args()
    steps = Steps()
    steps.run("promtool is content with the alert rules, and each fires for what it is about", rules)
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Receiver()) as collector:
        site = Site(given.binary, pathlib.Path(folder), collector.url)
        try:
            site.start()
            steps.run("promtool is content with an idle gateway", idle, site)
            steps.run("promtool is content with a busy gateway, while it is busy", busy, site)
            steps.run("an exemplar leads to a line of the log", exemplars, site)
            steps.run("promtool is content with a plugin in shadow", shadow, site)
            steps.run("promtool is content with a broken policy, which the metrics tell of", broken, site)
            steps.run("a collector is sent the spans of every request, and no address", traced, site, collector)
        finally:
            if site.process:
                end(site.process)
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
