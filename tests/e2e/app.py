"""The app behind the gateway: Datasette on a small SQLite file."""

import json
import sqlite3
import subprocess
import sys

from processes import end, free_port, wait_for_port

# Datasette knows a person by what its plugins say. This one believes the gateway's headers, as an app behind a gateway
# does, and shows which cookies and headers reached it.
ACTOR_PLUGIN = '''
from datasette import hookimpl

@hookimpl
def actor_from_request(datasette, request):
    user = request.headers.get("x-auth-request-user")
    if user:
        return {
            "id": user,
            "email": request.headers.get("x-auth-request-email"),
            "cookies": sorted(request.cookies),
            "request_id": request.headers.get("x-request-id"),
            "forwarded_for": request.headers.get("x-forwarded-for"),
            "spoofed": request.headers.get("x_auth_request_user"),
        }
'''

METADATA = {
    "databases": {
        "visit": {
            "queries": {
                "add_note": {"sql": "insert into notes (text) values (:text)", "write": True, "title": "Add a note"}
            }
        }
    }
}

CITIES = ("Aarau", "Bern", "Chur", "Davos", "Eglisau", "Frauenfeld")
PLACES = 12_000


def make_database(path):
    """A table to browse, big enough to stream, and one to write to."""
    with sqlite3.connect(path) as connection:
        connection.execute("create table cities (id integer primary key, name text)")
        connection.executemany("insert into cities values (?, ?)", enumerate(CITIES, start=1))
        connection.execute(
            "create table places (id integer primary key, name text, city integer references cities(id), about text)"
        )
        rows = ((i, f"Place {i}", i % len(CITIES) + 1, f"About place {i}: " + "word " * 60) for i in range(1, PLACES + 1))
        connection.executemany("insert into places values (?, ?, ?, ?)", rows)
        connection.execute("create table notes (id integer primary key, text text)")
    connection.close()


class App:
    """Datasette on a free port."""

    def __init__(self, folder):
        self.database = folder / "visit.db"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        make_database(self.database)
        plugins = folder / "datasette-plugins"
        plugins.mkdir()
        (plugins / "actor.py").write_text(ACTOR_PLUGIN)
        metadata = folder / "metadata.json"
        metadata.write_text(json.dumps(METADATA))
        command = [sys.executable, "-B", "-m", "datasette", "serve", str(self.database)]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--metadata", str(metadata)]
        command += ["--plugins-dir", str(plugins), "--setting", "facet_time_limit_ms", "2000"]
        command += ["--setting", "sql_time_limit_ms", "5000", "--setting", "facet_suggest_time_limit_ms", "1000"]
        self.log = open(folder / "datasette.log", "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        try:
            wait_for_port(self.process, self.port, "Datasette")
        except BaseException:
            self.close()
            raise

    def notes(self):
        """The notes that were written so far."""
        connection = sqlite3.connect(self.database)
        try:
            return [text for (text,) in connection.execute("select text from notes order by id")]
        finally:
            connection.close()

    def close(self):
        """Ends it."""
        end(self.process)
        self.log.close()
