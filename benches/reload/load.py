"""Connections that send requests without pause, each in a process of its own, so that none waits for another's turn."""

import multiprocessing
import socket
import time

REQUEST = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
EDITION = b"\r\nx-edition: "
LENGTH = b"\r\ncontent-length: "

fork = multiprocessing.get_context("fork")


class Connection:
    """One kept connection; connects again when it was closed."""

    def __init__(self, port):
        self.port = port
        self.socket = None

    def ask(self):
        """One request and its whole answer: status and edition. An `OSError` is a failed request."""
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.sendall(REQUEST)
            return self.read()
        except OSError:
            self.socket.close()
            self.socket = None
            raise

    def read(self):
        """Reads one answer to its end."""
        data = b""
        while True:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("closed within an answer")
            data += chunk
            end = data.find(b"\r\n\r\n")
            if end < 0:
                continue
            head = data[: end + 2].lower()
            if len(data) >= end + 4 + int(number_after(head, LENGTH) or b"0"):
                return int(head[9:12]), number_after(head, EDITION)


def number_after(head, name):
    """The digits that follow a header's name, or nothing."""
    start = head.find(name)
    if start < 0:
        return b""
    start += len(name)
    return head[start : head.find(b"\r\n", start)].strip()


def send_without_pause(port, pipe, stop):
    """The body of one process: tells each new edition with the time of its first answer, and the count at the end."""
    connection = Connection(port)
    requests = failed = 0
    seen = None
    while not stop.is_set():
        requests += 1
        try:
            status, edition = connection.ask()
        except (OSError, ValueError):
            failed += 1
            continue
        now = time.monotonic_ns()
        if status != 200 or not edition:
            failed += 1
        elif edition != seen:
            seen = edition
            pipe.send((int(edition), now))
    pipe.send(("end", requests, failed))


class Load:
    """So many connections, from `with` to its end."""

    def __init__(self, port, connections):
        self.stop = fork.Event()
        self.pipes = []
        self.processes = []
        self.requests = 0
        self.failed = 0
        for _ in range(connections):
            ours, theirs = fork.Pipe(duplex=False)
            self.pipes.append(ours)
            self.processes.append(fork.Process(target=send_without_pause, args=(port, theirs, self.stop), daemon=True))

    def __enter__(self):
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for pipe, process in zip(self.pipes, self.processes):
            self._read_to_the_end(pipe, process)
            process.join()

    def _read_to_the_end(self, pipe, process):
        while process.is_alive() or pipe.poll():
            if pipe.poll(0.1):
                told = pipe.recv()
                if told[0] == "end":
                    self.requests += told[1]
                    self.failed += told[2]
                    return

    def times_of(self, edition, seconds=10):
        """When each connection had its first answer of this edition (monotonic nanoseconds)."""
        return [first_time(pipe, edition, seconds) for pipe in self.pipes]


def first_time(pipe, edition, seconds):
    """Waits for one connection's news of an edition."""
    deadline = time.monotonic() + seconds
    while pipe.poll(max(0.0, deadline - time.monotonic())):
        told, now = pipe.recv()
        if told == edition:
            return now
    raise TimeoutError(f"edition {edition} was not seen within {seconds} s")
