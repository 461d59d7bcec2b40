"""TLS and HTTP/2 by clients of others: curl, Debian's nghttp2 (nghttp, h2load), openssl, and gRPC's own library in front of a
gRPC service. The certificate is renewed while requests are under way."""

import argparse
import contextlib
import json
import re
import shutil
import signal
import ssl
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "wire"))

from authority import Authority
from curl import curl
from gateway import Gateway
from processes import end, free_port, wait_for_port
from steps import Steps, expect, expect_equal, until

NAME, OTHER = "app.test", "other.test"

CONFIG = """\
[server]
listen = "127.0.0.1:{port}"

[server.tls]
certificate     = "app.pem"
key             = "app.key"
certificates    = [{{ certificate = "other.pem", key = "other.key" }}]
client_ca       = "people.pem"
redirect_listen = "127.0.0.1:{redirect_port}"

[admin]
listen = "127.0.0.1:{admin_port}"

[rate_limit]
user_per_minute = 100_000
user_burst      = 100_000
ip_per_minute   = 100_000
ip_burst        = 100_000

[[services]]
name = "app"
urls = ["http://127.0.0.1:{app_port}"]

[[services]]
name     = "grpc"
urls     = ["http://127.0.0.1:{grpc_port}"]
protocol = "http2"

[[routes]]
name    = "app"
path    = "/*"
host    = "app.test"
auth    = "none"
service = "app"

[[routes]]
name    = "other"
path    = "/*"
host    = "other.test"
auth    = "none"
respond = {{ status = 200, text = "other" }}

[[routes]]
name    = "calls"
path    = "/test.Echo/*"
auth    = "required"
accept  = ["api_key"]
body_max = "8 MiB"
service = "grpc"

[[routes]]
name    = "people"
path    = "/people"
auth    = "none"
respond = {{ status = 200, text = "come in" }}

[[rules]]
code = "people.only"
on   = "request"
when = 'req.path == "/people" && !req.client_cert.subject.contains("CN=alice")'
then = {{ deny = 403, message = "Show the right certificate." }}
mode = "enforce"
"""


class App:
    """Answers with what reached it; `/slow` sends a line every tenth of a second, twenty of them."""

    def __init__(self):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path == "/slow":
                    return self.slow()
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                seen = {"path": self.path, "length": len(body), "headers": {n.lower(): v for n, v in self.headers.items()}}
                answer = json.dumps(seen).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET

            def slow(self):
                self.send_response(200)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for n in range(20):
                    line = f"line {n}\n".encode()
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                    self.wfile.flush()
                    threading.Event().wait(0.1)
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_):
                """No line a request."""

        class Server(ThreadingHTTPServer):
            # Of Python's own five, a burst overflows: the kernel then forgets connections that the other side believes in.
            request_queue_size = 1024
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


class Visit:
    """The clients of others, one after the other."""

    def __init__(self, gateway, authority, people, redirect_port, python):
        self.gateway = gateway
        self.authority = authority
        self.people = people
        self.redirect_port = redirect_port
        self.python = python

    def steps(self):
        """The sentences and what stands behind them, in order."""
        return (
            ("curl believes the certificate and speaks HTTP/2 where it may", self.negotiates),
            ("curl speaks HTTP/1.1 over TLS where it wants to", self.speaks_http1),
            ("the app is told that the client came over https, and by which host", self.tells_the_app),
            ("TLS 1.1 and older get no handshake", self.refuses_old_versions),
            ("another name gets its own certificate", self.chooses_by_name),
            ("plain http is sent to https, with path and query, and only to hosts of this site", self.redirects),
            ("nghttp fetches with every check of its own", self.nghttp),
            ("h2load: 5,000 requests over 8 connections with 32 streams each, all answered", self.h2load),
            ("a body of 900 kB goes up over HTTP/2", self.uploads),
            ("a renewed certificate is shown within a second, and the answer under way is not cut", self.renews),
            ("a key that does not belong to its certificate never goes live", self.keeps_the_good_pair),
            ("a rule knows who showed which client certificate", self.knows_people),
            ("a certificate of an unknown authority is no certificate", self.refuses_strangers),
        )

    def curl(self, path, *arguments, name=NAME, data=None):
        """curl, with the authority that it believes and the name that leads here."""
        resolve = f"{name}:{self.gateway.port}:127.0.0.1"
        url = f"https://{name}:{self.gateway.port}{path}"
        return curl(url, "--cacert", str(self.authority.certificate), "--resolve", resolve, *arguments, data=data)

    def version(self, *arguments):
        """The HTTP version that curl ended up with."""
        resolve = f"{NAME}:{self.gateway.port}:127.0.0.1"
        command = ["curl", "--silent", "--noproxy", "*", "--cacert", self.authority.certificate, "--resolve", resolve]
        command += ["--output", "/dev/null", "--write-out", "%{http_version} %{response_code}", *arguments]
        done = subprocess.run([*command, f"https://{NAME}:{self.gateway.port}/"], capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else f"curl ended with {done.returncode}"

    def negotiates(self):
        expect_equal(self.version(), "2 200", "version and status")

    def speaks_http1(self):
        expect_equal(self.version("--http1.1"), "1.1 200", "version and status")

    def tells_the_app(self):
        for version in ("--http1.1", "--http2"):
            headers = self.curl("/a", version).json()["headers"]
            told = (headers["x-forwarded-proto"], headers["x-forwarded-host"], headers["host"])
            host = f"{NAME}:{self.gateway.port}"
            expect_equal(told, ("https", host, host), f"headers at the app ({version})")

    def refuses_old_versions(self):
        for version in ("1.0", "1.1"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1 if version == "1.0" else ssl.TLSVersion.TLSv1_1
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", self.gateway.port), 5) as plain:
                try:
                    context.wrap_socket(plain, server_hostname=NAME)
                except ssl.SSLError as error:
                    expect("ALERT" in str(error).upper(), f"{version}: {error}")
                else:
                    raise AssertionError(f"TLS {version} was spoken")

    def shown(self, name):
        """The certificate that a client asking for this name gets: its serial number and names."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        with socket.create_connection(("127.0.0.1", self.gateway.port), 5) as plain:
            with context.wrap_socket(plain, server_hostname=name) as wrapped:
                certificate = wrapped.getpeercert()
        return int(certificate["serialNumber"], 16), [value for _, value in certificate["subjectAltName"]]

    def chooses_by_name(self):
        expect_equal(self.shown(OTHER)[1], [OTHER], "names of the certificate")
        expect_equal(self.curl("/", name=OTHER).body, b"other", "answer")

    def redirects(self):
        answer = curl(f"http://127.0.0.1:{self.redirect_port}/a/b?c=d", "--header", f"Host: {NAME}")
        expect_equal(answer.status, 308, "status")
        wanted = f"https://{NAME}:{self.gateway.port}/a/b?c=d"
        expect(answer.header("location") in (wanted, f"https://{NAME}/a/b?c=d"), answer.header("location"))
        foreign = curl(f"http://127.0.0.1:{self.redirect_port}/a", "--header", "Host: evil.example")
        expect(foreign.status >= 400 and "evil" not in foreign.header("location"), f"{foreign.status}")

    def nghttp(self):
        command = ["nghttp", "-nv", "--no-verify-peer", "-H", f":authority: {NAME}", f"https://127.0.0.1:{self.gateway.port}/"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        expect("The negotiated protocol: h2" in done.stdout, done.stdout[-500:] + done.stderr[-200:])
        expect(":status: 200" in done.stdout and "SETTINGS_MAX_CONCURRENT_STREAMS" in done.stdout, done.stdout[-800:])

    def h2load(self):
        command = ["h2load", "-n", "5000", "-c", "8", "-m", "32", "-H", f":authority: {NAME}", f"https://127.0.0.1:{self.gateway.port}/"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        told = re.search(r"status codes: (\d+) 2xx", done.stdout)
        expect(told and told.group(1) == "5000", done.stdout[-600:])

    def uploads(self):
        answer = self.curl("/up", "--http2", data=b"z" * 900_000)
        expect_equal((answer.status, answer.json()["length"]), (200, 900_000), "status and length")

    def renews(self):
        first = self.shown(NAME)[0]
        resolve = f"{NAME}:{self.gateway.port}:127.0.0.1"
        command = ["curl", "--silent", "--noproxy", "*", "--cacert", self.authority.certificate, "--resolve", resolve]
        under_way = subprocess.Popen([*command, f"https://{NAME}:{self.gateway.port}/slow"], stdout=subprocess.PIPE, text=True)
        try:
            self.install(*self.authority.issue("app", NAME, "127.0.0.1"), "app")
            until("the new certificate", lambda: self.shown(NAME)[0] != first, 1)
            told, _ = under_way.communicate(timeout=20)
        finally:
            end(under_way)
        expect_equal((under_way.returncode, told.count("line")), (0, 20), "exit code and lines of the answer under way")

    def keeps_the_good_pair(self):
        before, rejected = self.shown(NAME)[0], self.gateway.reloads("rejected")
        _, key = Authority(self.gateway.folder / "stranger").issue("app", NAME)
        good = (self.gateway.folder / "app.key").read_text()
        self.gateway.save("app.key", key.read_text())
        until("the bad pair is refused", lambda: self.gateway.reloads("rejected") > rejected)
        expect_equal(self.shown(NAME)[0], before, "serial number of the certificate that is shown")
        self.gateway.save("app.key", good)
        (self.gateway.folder / "app.key").chmod(0o600)
        until("the policy is fresh again", lambda: '"stale"' not in curl(f"{self.gateway.admin_url}/ready").body.decode())

    def install(self, certificate, key, name):
        """Puts a pair in place, the key first, each by rename, as tools that renew do."""
        for source in (key, certificate):
            self.gateway.save(f"{name}{source.suffix}", source.read_text())

    def knows_people(self):
        without = self.curl("/people", name=NAME)
        expect_equal((without.status, without.code), (403, "people.only"), "without a certificate")
        for person, status in (("alice", 200), ("bob", 403)):
            certificate, key = self.people.issue(person, subject=f"/O=Example/CN={person}")
            for version in ("--http1.1", "--http2"):
                answer = self.curl("/people", version, "--cert", str(certificate), "--key", str(key))
                expect_equal(answer.status, status, f"{person}, {version}")

    def refuses_strangers(self):
        certificate, key = Authority(self.gateway.folder / "strangers").issue("alice", subject="/CN=alice")
        try:
            answer = self.curl("/people", "--cert", str(certificate), "--key", str(key))
        except RuntimeError as refused:
            expect("ended with" in str(refused), str(refused))
        else:
            expect_equal(answer.status, 403, "status")

    def calls(self):
        """What gRPC's own client says of each kind of call."""
        told = self.gateway.verb("--format", "json", "keys", "create", "machine")
        key = json.loads(told.stdout)["key"]
        script = Path(__file__).parent / "wire" / "grpc_client.py"
        arguments = ["--target", f"127.0.0.1:{self.gateway.port}", "--authority", self.authority.certificate, "--name", NAME]
        command = [self.python, "-B", script, *arguments, "--key", key]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            return {"every kind of call": done.stderr[-800:]}
        return json.loads(done.stdout)


def main():
    """Runs every step and gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--python", required=True, help="the Python that has gRPC")
    parser.add_argument("--work", type=lambda text: Path(text).resolve(), required=True, help="where everything is written")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = arguments.work / "encrypted"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "gateway").mkdir(parents=True)
    steps = Steps()
    with contextlib.ExitStack() as started:
        app = App()
        started.callback(app.close)
        script = Path(__file__).parent / "wire" / "grpc_server.py"
        calls = subprocess.Popen([arguments.python, "-B", script], stdout=subprocess.PIPE, text=True)
        started.callback(end, calls)
        authority, people = Authority(folder / "authority"), Authority(folder / "people", "People")
        nothing, redirect_port = folder / "nothing", free_port()
        gateway = Gateway(arguments.binary, folder / "gateway", "", nothing, nothing)
        started.callback(gateway.close)
        visit = Visit(gateway, authority, people, redirect_port, arguments.python)
        visit.install(*authority.issue("app", NAME, "127.0.0.1"), "app")
        visit.install(*authority.issue("other", OTHER), "other")
        for name in ("app.key", "other.key"):
            (gateway.folder / name).chmod(0o600)
        gateway.save("people.pem", people.certificate.read_text())
        ports = {"port": gateway.port, "admin_port": gateway.admin_port, "redirect_port": redirect_port}
        grpc_port = int(calls.stdout.readline())
        gateway.save("config.toml", CONFIG.format(app_port=app.port, grpc_port=grpc_port, **ports))
        steps.run("the gateway starts with TLS", gateway.start)
        for sentence, action in visit.steps():
            steps.run(sentence, action)
        for sentence, fault in (steps.run("gRPC's own client calls through the gateway", visit.calls) or {}).items():
            steps.run(f"gRPC: {sentence}", expect, not fault, fault)
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
