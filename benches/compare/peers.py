"""The programs that are compared, each started in a folder of its own and ended by its id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Peer:
    """One program under load."""

    def __init__(self, name, command, port, path="/", cores=None):
        self.name, self.port, self.path = name, port, path
        if cores:
            command = ["taskset", "-c", cores, *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.process, port, name)

    def tree(self):
        """Its processes: itself and its children."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [str(pid), *children]

    def cpu(self):
        """Seconds of processor time so far, user and system, of all its processes."""
        ticks = 0
        for pid in self.tree():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def memory(self):
        """Resident bytes of all its processes."""
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.tree()) * PAGE

    def end(self):
        """Ends it."""
        end(self.process)


class Drain:
    """Takes HAProxy's log lines, as a log daemon would, and throws them away."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        """Until it is closed."""
        try:
            while self.socket.recv(65_536):
                pass
        except OSError:
            pass

    def end(self):
        """Closes it."""
        self.socket.close()


class Stage:
    """Where they all stand: one upstream, and a folder for each."""

    def __init__(self, folder, binary, people, secret):
        self.folder, self.binary, self.people, self.secret = folder, binary, people, secret
        self.started = []
        self.upstream = free_port()

    def keep(self, thing):
        """Something to be ended."""
        self.started.append(thing)
        return thing

    def end(self):
        """Ends everything, the youngest first."""
        for thing in reversed(self.started):
            thing.end()
        self.started.clear()

    def write(self, template, target, **words):
        """A configuration from its template; braces of the peers' own languages stay."""
        text = (HERE / "peers" / template).read_text()
        words |= {"upstream": self.upstream, "secret": self.secret, "body": "x" * 1024}
        for name, word in words.items():
            text = text.replace(f"{{{name}}}", str(word))
        target.write_text(text)
        return target

    def start_upstream(self, cores=None):
        """The app."""
        config = self.write("upstream.conf", self.folder / "upstream.conf", folder=self.folder)
        return self.keep(Peer("upstream", ["nginx", "-p", str(self.folder), "-c", str(config)], self.upstream, cores=cores))

    def place(self, name):
        """A folder of its own."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def nginx(self, name, template, workers, cores, path):
        """nginx, with or without Lua."""
        folder, port = self.place(name), free_port()
        shutil.copy(HERE / "peers" / "full.lua", folder)
        shutil.copy(HERE / "peers" / "answer.conf", folder)
        config = self.write(template, folder / "nginx.conf", folder=folder, port=port, workers=workers)
        return self.keep(Peer(name, ["nginx", "-p", str(folder), "-c", str(config)], port, path, cores))

    def haproxy(self, name, template, workers, cores, path):
        """HAProxy."""
        folder, port = self.place(name), free_port()
        self.keep(Drain(folder / "log.sock"))
        config = self.write(template, folder / "haproxy.cfg", folder=folder, port=port, workers=workers)
        return self.keep(Peer(name, ["haproxy", "-db", "-f", str(config)], port, path, cores))

    def caddy(self, name, cores, path):
        """Caddy, which has no verifier of tokens without a plugin: plain only."""
        folder, port = self.place(name), free_port()
        config = self.write("Caddyfile", folder / "Caddyfile", port=port)
        return self.keep(Peer(name, ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)], port, path, cores))

    def gateway(self, name, workers, cores, path, plugins="none", wrapper=()):
        """The gateway, with everybody's session in its database; under another program, if one is named."""
        folder, port = self.place(name), free_port()
        (folder / "secret").write_text(self.secret + "\n")
        (folder / "secret").chmod(0o600)
        words = {"port": port, "admin": free_port(), "workers": workers, "plugins": plugins}
        config = self.write("gateway.toml", folder / "config.toml", **words)
        command = [str(self.binary), "-c", str(config)]
        made = subprocess.run([*command, "users", "add", "first"], input="a long enough password\n", text=True, capture_output=True, check=False)
        if made.returncode:
            sys.exit(f"users add: {made.stderr}")
        self.people.write_into(folder / "data" / "pluginmind.db")
        return self.keep(Peer(name, [*wrapper, *command, "serve"], port, path, cores))


def end(process):
    """Ends a process that was started here."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port():
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(process, port, name):
    """Waits until it listens."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"{name} ended with {process.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"{name} does not listen")
