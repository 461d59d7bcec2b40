"""Forward-auth for real: Debian's nginx (auth_request) and Caddy (forward_auth) in front of a small app, each asking the
gateway at /auth/verify, configured as docs/forward-auth.md says."""

import argparse
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from curl import curl, session_cookie
from gateway import Gateway as Binary
from processes import end, free_port, wait_for_port
from steps import Steps, expect, expect_equal

PASSWORD = "correct horse battery staple"

CONFIG = """\
[server]
listen          = "127.0.0.1:{port}"
trusted_proxies = ["127.0.0.1/32"]

[admin]
listen = "127.0.0.1:{admin_port}"

[rate_limit]
user_per_minute = 100_000
user_burst      = 100_000
ip_per_minute   = 100_000
ip_burst        = 100_000

[[routes]]
name    = "app"
path    = "/*"
auth    = "required"
respond = {{ status = 200 }}

[[routes]]
name    = "admin"
path    = "/admin/*"
auth    = "required"
roles   = ["staff"]
respond = {{ status = 200 }}

[[routes]]
name    = "public"
path    = "/public/*"
auth    = "none"
respond = {{ status = 200 }}

[[routes]]
name       = "few"
path       = "/few"
auth       = "none"
rate_limit = {{ ip_per_minute = 1, ip_burst = 1 }}
respond    = {{ status = 200 }}
"""

NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{site}
}}
"""

CADDY = """\
{{
    admin off
    auto_https off
    storage file_system {folder}/caddy
}}
{site}
"""


class Gateway(Binary):
    """The gateway without plugins, with the routes that the proxies ask about."""

    def __init__(self, binary, folder):
        super().__init__(binary, folder, "http://127.0.0.1:1", folder / "none", folder / "none")
        shutil.rmtree(folder / "plugins")
        (folder / "config.toml").write_text(CONFIG.format(port=self.port, admin_port=self.admin_port))


class App:
    """Tells what reached it."""

    def __init__(self):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                length = int(self.headers.get("content-length") or 0)
                seen = {"path": self.path, "body": self.rfile.read(length).decode()}
                seen["headers"] = [[name.lower(), value] for name, value in self.headers.items()]
                body = json.dumps(seen).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def block(page, language, number):
    """The numbered configuration of a language in the documentation: what is told there is what is tested here."""
    found = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return found[number]


def site(page, language, port, gateway, app, names):
    """The documented configuration with the addresses of this run, on plain http."""
    text = block(page, language, 0)
    for written, real in (*names(port), ("127.0.0.1:8080", f"127.0.0.1:{gateway}"), ("127.0.0.1:3000", f"127.0.0.1:{app}")):
        if written not in text:
            raise RuntimeError(f"docs/forward-auth.md does not have {written!r} any more")
        text = text.replace(written, real)
    return text


def nginx_names(port):
    return (("listen 80;", f"listen 127.0.0.1:{port};"), ("app.example.com", "127.0.0.1"))


def caddy_names(port):
    return (("app.example.com {", f"http://127.0.0.1:{port} {{"),)


class Proxy:
    """A started proxy."""

    def __init__(self, name, command, port, folder):
        self.name, self.url = name, f"http://127.0.0.1:{port}"
        self.log = open(folder / f"{name}.out", "wb")
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(folder)},
        )
        try:
            wait_for_port(self.process, port, name)
        except BaseException:
            self.close()
            sys.stderr.write((folder / f"{name}.out").read_text())
            raise

    def close(self):
        end(self.process)
        self.log.close()


def start_nginx(folder, page, gateway, app):
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, site=site(page, "nginx", port, gateway, app, nginx_names)))
    return Proxy("nginx", ["nginx", "-p", str(folder), "-c", str(path)], port, folder)


def start_caddy(folder, page, gateway, app):
    port = free_port()
    path = folder / "Caddyfile"
    path.write_text(CADDY.format(folder=folder, site=site(page, "caddyfile", port, gateway, app, caddy_names)))
    return Proxy("caddy", ["caddy", "run", "--config", str(path), "--adapter", "caddyfile"], port, folder)


def seen(answer):
    """What the app saw, its headers as lists by name."""
    told = answer.json()
    headers = {}
    for name, value in told["headers"]:
        headers.setdefault(name, []).append(value)
    return {**told, "headers": headers}


class Visit:
    """The same steps through each proxy."""

    def __init__(self, proxy, gateway):
        self.proxy, self.gateway = proxy, gateway

    def ask(self, path, *arguments, cookie=None, data=None):
        if cookie:
            arguments += ("-H", f"Cookie: pm_session={cookie}")
        return curl(self.proxy.url + path, "--path-as-is", *arguments, data=data)

    def sign_in(self, name):
        """Signs in through the proxy, as a browser does."""
        body = json.dumps({"username": name, "password": PASSWORD}).encode()
        answer = self.ask("/auth/login", "-H", "Content-Type: application/json", data=body)
        expect_equal(answer.status, 200, "signing in through the proxy")
        return session_cookie(answer)

    def refuses_a_stranger(self):
        expect_equal(self.ask("/x", "-H", "Accept: application/json").status, 401, "a program")
        page = self.ask("/x?a=1&b=2", "-H", "Accept: text/html")
        expect_equal(page.status, 302, "a browser")
        expect_equal(
            page.header("location"), f"{self.proxy.url}/auth/login?return_to=/x%3Fa%3D1%26b%3D2", "the way to sign in"
        )
        form = curl(page.header("location"))
        expect(b"<form" in form.body, "the sign-in page stands behind the proxy")

    def tells_the_app_who_it_is(self):
        cookie = self.sign_in("ada@example.org")
        lies = ("-H", "X-Auth-Request-User: root", "-H", "X-Auth-Request-Groups: root")
        answer = self.ask("/x?y=1", *lies, cookie=cookie)
        expect_equal(answer.status, 200, "signed in")
        headers = seen(answer)["headers"]
        me = json.loads(self.ask("/auth/me", cookie=cookie).body)["user"]
        expect_equal(headers.get("x-auth-request-user"), [me["id"]], "who the app sees")
        expect_equal(headers.get("x-auth-request-email"), ["ada@example.org"], "the e-mail that the app sees")
        expect_equal(headers.get("x-auth-request-groups"), ["staff"], "the roles that the app sees")

    def lets_nobody_speak_for_somebody(self):
        lies = [v for n in ("User", "Email", "Groups") for v in ("-H", f"X-Auth-Request-{n}: root")]
        answer = self.ask("/public/x", *lies)
        expect_equal(answer.status, 200, "a public path")
        expect("root" not in str(seen(answer)["headers"]), "a client's own headers do not reach the app")

    def keeps_roles(self):
        expect_equal(self.ask("/admin/x", cookie=self.sign_in("bob")).status, 403, "without the role")
        expect_equal(self.ask("/admin/x", cookie=self.sign_in("ada@example.org")).status, 200, "with the role")

    def believes_no_client(self):
        spoof = ("-H", "X-Forwarded-Uri: /public/x", "-H", "X-Forwarded-Method: GET", "-H", "X-Forwarded-For: 192.0.2.9")
        expect_equal(self.ask("/x", "-H", "Accept: application/json", *spoof).status, 401, "a stranger who lies")
        bob = self.sign_in("bob")
        expect_equal(self.ask("/admin/x", *spoof, cookie=bob).status, 403, "somebody without the role who lies")
        for path in ("/public/../admin/x", "/public/%2e%2e/admin/x", "//admin/x", "/public%2f..%2fadmin/x", "/%61dmin/x"):
            expect_equal(self.ask(path, cookie=bob).status, 403, path)
        expect_equal(self.ask("/auth/verify", *spoof).status, 404, "the endpoint is the proxy's own")

    def guards_against_other_sites(self):
        bob = self.sign_in("bob")
        form = {"cookie": bob, "data": b"a=1"}
        answer = self.ask("/x", "-H", f"Origin: {self.proxy.url}", **form)
        expect_equal((answer.status, seen(answer)["body"]), (200, "a=1"), "a form of this site, with its body")
        expect_equal(self.ask("/x", "-H", "Origin: https://evil.example", **form).status, 403, "another site's form")
        socket = ("-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Origin: https://evil.example")
        expect_equal(self.ask("/x", *socket, cookie=bob).status, 403, "another site's WebSocket")

    def tells_too_many(self):
        statuses = [self.ask("/few").status for _ in range(3)]
        expect(429 in statuses, f"429 reaches the client: {statuses}")

    def knows_a_sign_out_at_once(self):
        bob = self.sign_in("bob")
        expect_equal(self.ask("/x", cookie=bob).status, 200, "signed in")
        out = self.ask("/auth/logout", "-X", "POST", "-H", f"Origin: {self.proxy.url}", cookie=bob)
        expect_equal(out.status, 204, "signing out through the proxy")
        expect_equal(self.ask("/x", "-H", "Accept: application/json", cookie=bob).status, 401, "signed out")

    def run(self, steps):
        name = self.proxy.name
        steps.run(f"{name}: a stranger is refused, and a browser is sent to sign in and back", self.refuses_a_stranger)
        steps.run(f"{name}: the app sees who signed in, whatever the client says", self.tells_the_app_who_it_is)
        steps.run(f"{name}: on a public path nobody can speak for somebody", self.lets_nobody_speak_for_somebody)
        steps.run(f"{name}: roles of a route hold", self.keeps_roles)
        steps.run(f"{name}: no spoofed header and no second reading of a path helps", self.believes_no_client)
        steps.run(f"{name}: another site's form and WebSocket do not pass", self.guards_against_other_sites)
        steps.run(f"{name}: a sign-out is known at once", self.knows_a_sign_out_at_once)
        steps.run(f"{name}: too many requests are told as such", self.tells_too_many)


def main():
    # Asked to end, it ends what it started first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = argparse.ArgumentParser()
    options.add_argument("--binary", type=pathlib.Path, required=True)
    binary = options.parse_args().binary.resolve()
    page = (pathlib.Path(__file__).parents[2] / "docs/forward-auth.md").read_text()
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="forward-auth-") as name:
        folder, open_now = pathlib.Path(name), []
        try:
            app = App()
            for start in (start_nginx, start_caddy):
                own = folder / start.__name__
                own.mkdir()
                gateway = Gateway(binary, own)
                open_now.append(gateway)
                for user, roles in (("ada@example.org", ["--role", "staff"]), ("bob", [])):
                    done = gateway.verb("users", "add", user, *roles, stdin=PASSWORD + "\n")
                    expect_equal(done.returncode, 0, f"users add: {done.stderr}")
                gateway.start()
                proxy = start(own, page, gateway.port, app.port)
                open_now.append(proxy)
                Visit(proxy, gateway).run(steps)
        finally:
            for one in reversed(open_now):
                one.close()
    return steps.finish()


if __name__ == "__main__":
    sys.exit(main())
