"""A receiver of webhooks: it keeps what comes, and answers well, badly, or not at all."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Listens on a loopback port of its own until it is closed."""

    def __init__(self, secret=""):
        self.secret = secret
        self.mood = "well"
        self.received = []
        self.tries = 0
        self.released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            def do_POST(self):
                """Takes a message, in the mood of the moment."""
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                receiver.tries += 1
                mood = receiver.mood
                if mood == "hangs":
                    receiver.released.wait(60)
                if mood == "well":
                    receiver.received.append((dict(self.headers), body))
                self.send_response(200 if mood == "well" else 500)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def messages(self, **wanted):
        """What has come, as JSON, where every named field is as wanted."""
        all_of_them = [json.loads(body) for _, body in list(self.received)]
        return [one for one in all_of_them if all(one.get(name) == value for name, value in wanted.items())]

    def is_signed(self, headers, body):
        """Whether the signature is that of the shared secret."""
        given = {name.lower(): value for name, value in headers.items()}.get("x-pluginmind-signature", "")
        parts = dict(part.split("=", 1) for part in given.split(",") if "=" in part)
        told = f"{parts.get('t', '')}.".encode() + body
        wanted = hmac.new(self.secret.encode(), told, hashlib.sha256).hexdigest()
        return hmac.compare_digest(parts.get("v1", ""), wanted)

    def close(self):
        """Lets go of those that hang, and ends."""
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
