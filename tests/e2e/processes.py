"""Started programs, each ended by its id, and the free ports that they listen on."""

import signal
import socket
import subprocess
import time


def free_port():
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    """Whether somebody accepts on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process, seconds=10):
    """Ends a process that this visit started: asked first, then killed. Gives its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def wait_for_port(process, port, what, seconds=30):
    """Waits until the process accepts on the port."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with {process.returncode} before it listened")
        if is_listening(port):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{what} did not listen within {seconds} s")
