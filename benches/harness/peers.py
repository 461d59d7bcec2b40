"""The programs that are measured, each started in a folder of its own and ended by its id."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PARENT_DEATH_SIGNAL = 1
# Nothing else of this shell's environment: it may hold settings of the gateway.
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
LIBC = ctypes.CDLL(None, use_errno=True)


class Ended(SystemExit):
    """A program ended before it listened."""


class Peer:
    """One program under load."""

    def __init__(self, name, command, port, path="/", cores=None):
        self.name, self.port, self.path = name, port, path
        if cores:
            command = ["taskset", "-c", cores, *command]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # A session of its own: ^C goes to the benchmark alone, which then ends everything in order.
        self.process = subprocess.Popen(command, **quiet, env=ENVIRONMENT, start_new_session=True, preexec_fn=ends_with_its_parent)

    def listens(self, patience=30):
        """Waits until it listens."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Ended(f"{self.name} ended with {self.process.returncode} before it listened")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise Ended(f"{self.name} does not listen after {patience} s")

    def tree(self):
        """Its processes: itself and its children."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def cpu(self):
        """Seconds of processor time so far, user and system, of all its processes and of threads that ended too."""
        return sum(time.clock_gettime(processor_clock(pid)) for pid in self.tree())

    def memory(self):
        """Resident bytes of all its processes. What they share counts once: nginx's workers share their code and counters.

        What another peer of the same program has too counts whole, for alone it would need it as well.
        """
        parts = [resident(pid) for pid in self.tree()]
        return sum(own for own, _ in parts) + max(mapped for _, mapped in parts)

    def end(self):
        """Ends it, and whatever it leaves behind."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Stage:
    """Where they all stand: one upstream, and a folder for each."""

    def __init__(self, folder, binary, people, secret):
        self.folder, self.binary, self.people, self.secret = folder, binary, people, secret
        self.started = []
        self.upstream = free_port()

    def start(self, *arguments, patience=30, **words):
        """A program that is ended with the stage, even when it never comes to listen."""
        peer = Peer(*arguments, **words)
        self.started.append(peer)
        return peer.listens(patience)

    def end(self):
        """Ends everything, the youngest first, whoever else wants this to stop meanwhile."""
        before = [(number, signal.signal(number, signal.SIG_IGN)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        try:
            while self.started:
                self.started.pop().end()
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def write(self, template, target, **words):
        """A configuration from its template; braces of the peers' own languages stay."""
        text = (HERE / "peers" / template).read_text()
        words |= {"upstream": self.upstream, "secret": self.secret, "body": "x" * 1024, "machine": os.uname().machine}
        for name, word in words.items():
            text = text.replace(f"{{{name}}}", str(word))
        target.write_text(text)
        return target

    def start_upstream(self, cores=None, template="upstream.conf"):
        """The app."""
        config = self.write(template, self.folder / "upstream.conf", folder=self.folder)
        return self.start("upstream", ["nginx", "-p", str(self.folder), "-c", str(config)], self.upstream, cores=cores)

    def place(self, name):
        """A folder of its own."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def nginx(self, name, template, workers, cores, path, **words):
        """nginx, with or without Lua."""
        folder, port = self.place(name), free_port()
        shutil.copy(HERE / "peers" / "full.lua", folder)
        shutil.copy(HERE / "peers" / "answer.conf", folder)
        config = self.write(template, folder / "nginx.conf", folder=folder, port=port, workers=workers, **words)
        return self.start(name, ["nginx", "-p", str(folder), "-c", str(config)], port, path, cores)

    def haproxy(self, name, template, workers, cores, path):
        """HAProxy."""
        folder, port = self.place(name), free_port()
        config = self.write(template, folder / "haproxy.cfg", folder=folder, port=port, workers=workers)
        return self.start(name, ["haproxy", "-db", "-f", str(config)], port, path, cores)

    def caddy(self, name, cores, path):
        """Caddy, which has no verifier of tokens without a plugin: plain only."""
        folder, port = self.place(name), free_port()
        config = self.write("Caddyfile", folder / "Caddyfile", port=port)
        return self.start(name, ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)], port, path, cores)

    def gateway(self, name, workers, cores, path, plugins="none", wrapper=(), template="gateway.toml", people=None, patience=30, **words):
        """The gateway, with everybody's session in its database; under another program, if one is named."""
        folder, port = self.place(name), free_port()
        (folder / "secret").write_text(self.secret + "\n")
        (folder / "secret").chmod(0o600)
        words |= {"port": port, "admin": free_port(), "workers": workers, "plugins": plugins}
        config = self.write(template, folder / "config.toml", **words)
        command = [str(self.binary), "-c", str(config)]
        add = [*command, "users", "add", "first"]
        made = subprocess.run(add, input="a long enough password\n", text=True, capture_output=True, check=False, env=ENVIRONMENT)
        if made.returncode:
            sys.exit(f"users add: {made.stderr}")
        (people or self.people).write_into(folder / "data" / "pluginmind.db")
        return self.start(name, [*wrapper, *command, "serve"], port, path, cores, patience=patience)


def ends_with_its_parent():
    """In the child: the kernel ends it when the benchmark is killed and can end nothing any more.

    # Source: prctl(2), `PR_SET_PDEATHSIG`.
    """
    LIBC.prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


def processor_clock(pid):
    """The clock of a process's processor time: to the nanosecond, where `/proc` has hundredths of a second.

    # Source: clock_getcpuclockid(3); `include/linux/posix-timers.h`, `CPUCLOCK_SCHED`.
    """
    return (~pid << 3) | 2


def resident(pid):
    """Bytes of a process's own pages (of those that a fork left to several, its share), and of those of files and shared memory.

    # Source: proc_pid_smaps(5), `smaps_rollup`; proc_pid_status(5).
    """
    own = kilobytes(f"/proc/{pid}/smaps_rollup", "Pss_Anon")
    return own * 1024, kilobytes(f"/proc/{pid}/status", "RssFile", "RssShmem") * 1024


def kilobytes(path, *names):
    """The sum of these lines of a file of /proc."""
    lines = (line.split() for line in Path(path).read_text().splitlines())
    found = [int(words[1]) for words in lines if words[0].rstrip(":") in names]
    if len(found) != len(names):
        sys.exit(f"{path} lacks one of {', '.join(names)}: this needs Linux 5.9")
    return sum(found)


def free_port():
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tell(words):
    """A word on how far it is, off the output that others read."""
    print(words, file=sys.stderr, flush=True)


def stop_in_order():
    """Turns the signals that end a program into an exception, so that what was started is ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
