"""People with a session each: written into the gateway's database, and signed as its tokens are."""

import base64
import copy
import hashlib
import hmac
import json
import sqlite3
import time
import uuid

PEOPLE = 1_000
LIFE_SECONDS = 86_400


def encoded(data):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(secret, header, payload):
    """A compact token, HMAC-SHA256 whatever its header says."""
    head = f"{encoded(json.dumps(header, separators=(',', ':')).encode())}.{encoded(json.dumps(payload, separators=(',', ':')).encode())}"
    return f"{head}.{encoded(hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest())}"


class People:
    """The tokens of everybody, and some that are no good."""

    def __init__(self, secret, count=PEOPLE):
        kid = hashlib.sha256(b"pluginmind kid\0" + secret.encode()).hexdigest()[:16]
        self.header = {"typ": "JWT", "alg": "HS256", "kid": kid}
        self.secret, self.now = secret, int(time.time()) - 60
        self.ids = [(uuid.uuid4(), uuid.uuid4().bytes) for _ in range(count)]
        self.tokens = [self.token(*ids) for ids in self.ids]

    def first(self, count):
        """The first so many of them, the same tokens."""
        fewer = copy.copy(self)
        fewer.ids, fewer.tokens = self.ids[:count], self.tokens[:count]
        return fewer

    def token(self, person, session, lives=LIFE_SECONDS, **header):
        """The token of a person's session."""
        payload = {"sub": str(person), "sid": session.hex(), "iat": self.now, "nbf": self.now, "exp": self.now + lives}
        payload |= {"iss": "pluginmind", "aud": "pluginmind-session"}
        return signed(self.secret, self.header | header, payload)

    def bad(self):
        """Tokens that nobody may believe, by name."""
        good = self.tokens[0]
        none = self.token(*self.ids[0], alg="none")
        return {
            "tampered": good[:-6] + ("AAAAAA" if not good.endswith("AAAAAA") else "BBBBBB"),
            "alg none": none.rpartition(".")[0] + ".",
            "expired": self.token(*self.ids[0], lives=30),
        }

    def write_into(self, database):
        """Writes people and sessions into a database that no gateway has open."""
        begun, seen = self.now * 1_000, int(time.time() * 1_000)
        ends = begun + LIFE_SECONDS * 1_000
        with sqlite3.connect(database) as connection:
            connection.executemany(
                "INSERT INTO users (id, name, roles, disabled, created_ms) VALUES (?, ?, '[]', 0, ?)",
                ((person.bytes, f"person{number}", begun) for number, (person, _) in enumerate(self.ids)),
            )
            connection.executemany(
                "INSERT INTO sessions (id, user_id, created_ms, expires_ms, last_seen_ms) VALUES (?, ?, ?, ?, ?)",
                ((session, person.bytes, begun, ends, seen) for person, session in self.ids),
            )
        connection.close()
