"""Requests by curl, as a client outside of any browser sends them."""

import json
import subprocess
from dataclasses import dataclass, field


@dataclass
class Answer:
    """One answer: status, headers by lower-case name (each a list), and the body."""

    status: int
    body: bytes
    headers: dict = field(default_factory=dict)

    def header(self, name):
        """The first value of a header, or an empty text."""
        return self.headers.get(name.lower(), [""])[0]

    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self):
        """The code in the error envelope, or an empty text when this is no envelope."""
        try:
            return self.json()["error"]["code"]
        except (ValueError, KeyError, TypeError):
            return ""


def curl(url, *arguments, data=None):
    """Sends one request; `data` goes in as it is."""
    command = ["curl", "--silent", "--show-error", "--include", "--noproxy", "*", "--max-time", "60", *arguments]
    if data is not None:
        command += ["--data-binary", "@-"]
    done = subprocess.run([*command, url], input=data, capture_output=True, check=False)
    if not done.stdout:
        raise RuntimeError(f"curl ended with {done.returncode}: {done.stderr.decode().strip()}")
    return parse(done.stdout)


def parse(raw):
    """Reads what `curl --include` printed; interim answers are passed over."""
    while True:
        head, _, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        if status >= 200:
            break
        raw = rest
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    return Answer(status, rest, headers)


def session_cookie(answer):
    """The value of the session cookie that an answer sets, or an empty text."""
    for value in answer.headers.get("set-cookie", []):
        if value.startswith("pm_session="):
            return value.split(";")[0].removeprefix("pm_session=")
    return ""
