"""Kept connections that ask in turn, and count what they get: each request may be another one."""

import itertools
import socket

PIECE = 1 << 18
LENGTH = b"\r\ncontent-length: "


class Refused(Exception):
    """An answer that is no success."""


class Client:
    """So many connections to a port; each sends, then each is read, so that the gateway always has several at once."""

    def __init__(self, port, connections=8):
        self.sockets = [connected(port) for _ in range(connections)]

    def send(self, requests, burst=1):
        """Sends all of them, so many on a connection at a time, and reads every answer; says how many."""
        count, requests = 0, iter(requests)
        while True:
            parts = [list(itertools.islice(requests, burst)) for _ in self.sockets]
            for one, part in zip(self.sockets, parts):
                if part:
                    one.sendall(b"".join(part))
            for one, part in zip(self.sockets, parts):
                read(one, len(part))
                count += len(part)
            if not parts[-1]:
                return count

    def close(self):
        """Closes them all."""
        for one in self.sockets:
            one.close()


def connected(port):
    """A connection that sends at once."""
    one = socket.create_connection(("127.0.0.1", port), timeout=120)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def read(one, count):
    """Reads so many answers to their ends."""
    buffer = b""
    while count:
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            buffer += received(one, PIECE)
            continue
        if buffer[9:10] != b"2":
            raise Refused(buffer[:600].decode(errors="replace"))
        whole = end + 4 + length(buffer[: end + 2])
        left = whole - len(buffer)
        while left > 0:
            left -= len(received(one, min(left, PIECE)))
        buffer = buffer[whole:]
        count -= 1


def received(one, most):
    """Some bytes; a connection that ends within an answer is a failure."""
    data = one.recv(most)
    if not data:
        raise Refused("the connection ended within an answer")
    return data


def length(head):
    """What a head says of its body. None of these answers is chunked."""
    start = head.find(LENGTH)
    if start < 0:
        raise Refused(f"an answer without a length: {head!r}")
    start += len(LENGTH)
    return int(head[start : head.index(b"\r\n", start)])
