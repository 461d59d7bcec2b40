"""Debian's nginx and HAProxy in front of the gateway: the client's address by X-Forwarded-For, and by the PROXY protocol in
both of its versions; and a client that makes one up."""

import argparse
import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from curl import curl
from gateway import Gateway
from processes import end, free_port, wait_for_port
from steps import Steps, expect, expect_equal

# A second address of this machine that clients ask from.
CLIENT = "127.0.0.5"

CONFIG = """\
[server]
listen          = "127.0.0.1:{port}"
trusted_proxies = [{trusted}]
proxy_protocol  = [{told}]

[admin]
listen = "127.0.0.1:{admin_port}"

[plugins]
path    = "none"
scripts = "none"

[[services]]
name = "app"
urls = ["http://127.0.0.1:{app_port}"]

[[routes]]
path    = "/*"
auth    = "none"
service = "app"
"""

NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{listen};
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""

HAPROXY = """\
global
    log stderr format raw local0 err
defaults
    mode {mode}
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend in
    bind 127.0.0.1:{listen}
    default_backend gateway
backend gateway
    {options}
    server one 127.0.0.1:{port} {send}
"""


class App:
    """Tells the headers that reached it."""

    def __init__(self):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """No line a request."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


class Fronts:
    """The proxies, one after the other, each started and ended in its step."""

    def __init__(self, gateway, app, folder):
        self.gateway = gateway
        self.app = app
        self.folder = folder

    def steps(self):
        """The sentences and what stands behind them, in order."""
        return (
            ("nginx tells the client's address in X-Forwarded-For, and is believed", self.nginx),
            ("HAProxy does too, in HTTP mode", lambda: self.haproxy_http()),
            ("HAProxy tells it by the PROXY protocol, version 1", lambda: self.haproxy_proxy("send-proxy")),
            ("and version 2", lambda: self.haproxy_proxy("send-proxy-v2")),
            ("what a client writes into X-Forwarded-For behind the PROXY protocol is not believed", self.not_believed),
            ("a trusted peer that says nothing of the kind is not served", self.needs_a_header),
            ("a peer that is not trusted cannot say it", self.stranger_cannot),
        )

    def nginx(self):
        self.serve(trusted='"127.0.0.1/32"')
        listen = free_port()
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, listen=listen, port=self.gateway.port))
        command = ["nginx", "-p", str(self.folder), "-c", "nginx.conf"]
        with self.running(command, listen, "nginx"):
            self.expect_client(listen)

    def haproxy_http(self):
        self.serve(trusted='"127.0.0.1/32"')
        with self.haproxy(mode="http", options="option forwardfor", send="") as listen:
            self.expect_client(listen)

    def haproxy_proxy(self, send):
        self.serve(told='"127.0.0.1/32"')
        with self.haproxy(mode="tcp", options="", send=send) as listen:
            self.expect_client(listen)

    def not_believed(self):
        with self.haproxy(mode="tcp", options="", send="send-proxy-v2") as listen:
            self.expect_client(listen, "--header", "X-Forwarded-For: 192.0.2.1", "--header", "Forwarded: for=192.0.2.1")

    def needs_a_header(self):
        answer = self.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "127.0.0.1")
        expect_equal(answer, b"", "answer")

    def stranger_cannot(self):
        header = b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n"
        answer = self.raw(header + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "127.0.0.9")
        expect(answer.startswith(b"HTTP/1.1 400 ") and b"BAD_REQUEST" in answer, f"{answer[:80]!r}")
        served = curl(f"http://127.0.0.1:{self.gateway.port}/", "--interface", "127.0.0.9")
        expect_equal(served.json()["x-forwarded-for"], "127.0.0.9", "the client as the app is told")

    def raw(self, request, source):
        """What the gateway sends back to these bytes from that address, to the end."""
        with socket.create_connection(("127.0.0.1", self.gateway.port), 20, source_address=(source, 0)) as connection:
            connection.sendall(request)
            whole = b""
            try:
                while part := connection.recv(4096):
                    whole += part
            except ConnectionResetError:
                pass
            return whole

    def serve(self, trusted="", told=""):
        """Has the gateway believe these, without a restart."""
        ports = {"port": self.gateway.port, "admin_port": self.gateway.admin_port, "app_port": self.app.port}
        text = CONFIG.format(trusted=trusted, told=told, **ports)
        if (self.gateway.folder / "config.toml").read_text() == text:
            return
        if self.gateway.process is None:
            self.gateway.save("config.toml", text)
            self.gateway.start()
        else:
            self.gateway.save_and_wait("config.toml", text, "applied")

    def expect_client(self, listen, *arguments):
        """A request through the front reaches the app with the client's address and no other."""
        for _ in range(3):
            answer = curl(f"http://127.0.0.1:{listen}/", "--interface", CLIENT, *arguments)
            expect_equal(answer.status, 200, f"status ({answer.body[:200]!r})")
            expect_equal(answer.json()["x-forwarded-for"], CLIENT, "the client as the app is told")

    @contextlib.contextmanager
    def haproxy(self, **settings):
        """HAProxy with these settings; gives the port that it listens on."""
        listen = free_port()
        text = HAPROXY.format(listen=listen, port=self.gateway.port, **settings)
        (self.folder / "haproxy.cfg").write_text(text)
        with self.running(["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")], listen, "HAProxy"):
            yield listen

    @contextlib.contextmanager
    def running(self, command, port, what):
        """A program, for as long as it is needed."""
        with open(self.folder / "front.log", "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_for_port(process, port, what)
            yield
        finally:
            end(process)


def main():
    """Runs every step and gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--work", type=lambda text: Path(text).resolve(), required=True, help="where everything is written")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = arguments.work / "fronts"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "gateway").mkdir(parents=True)
    steps = Steps()
    with contextlib.ExitStack() as started:
        app = App()
        started.callback(app.close)
        nothing = folder / "nothing"
        gateway = Gateway(arguments.binary, folder / "gateway", "", nothing, nothing)
        started.callback(gateway.close)
        for sentence, action in Fronts(gateway, app, folder).steps():
            steps.run(sentence, action)
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
