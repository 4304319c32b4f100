"""Servers that a comparison starts, in a folder of its own, and ends by their ids, however it ends."""

import ctypes
import http.client
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

HANDLES = 20_000
READY_PATIENCE_SECONDS = 60
STOP_PATIENCE_SECONDS = 30
PR_SET_PDEATHSIG = 1


class ComparisonError(Exception):
    """Something that makes a figure impossible; its text is for whoever runs the comparison."""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def raise_handle_limit():
    """5,000 streams need handles on both sides; what is started inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < HANDLES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(HANDLES, hard), hard))


def listens(port):
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0


def answers_200(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def handles(pid):
    """How many files and sockets a process has open; none, once it has ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:
        return 0


class Server:
    """One process that listens on a port, with a folder of its own."""

    def __init__(self, name, command, folder, port):
        self.name, self.folder, self.port = name, folder, port
        self.log = folder.with_suffix(".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], cwd=folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=_ends_with_its_parent)

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def wait_until(self, ready):
        deadline = time.monotonic() + READY_PATIENCE_SECONDS
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ComparisonError(f"{self.name} does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def resident_bytes(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise ComparisonError(f"{self.name} has ended")

    def processor_seconds(self):
        """What the process has used of the cores so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def handles(self):
        return handles(self.pid)

    def disk_bytes(self):
        """As `du` counts, what is preallocated too."""
        return sum(file.stat().st_blocks * 512 for file in self.folder.rglob("*") if file.is_file())

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _ends_with_its_parent():
    # Where the comparison is killed, nobody else would end its servers.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Bench:
    """Everything that one run starts and writes: gone when it ends."""

    def __init__(self, folder):
        self.folder = Path(tempfile.mkdtemp(prefix="dynarust-compare-", dir=folder))
        self.servers = []
        self.held = []

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for process in self.held:
            if process.poll() is None:
                process.kill()
                process.wait()
        for server in reversed(self.servers):
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def place(self, name):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def start(self, name, command, port, ready, place=None):
        server = Server(name, command, self.place(place or name), port)
        self.servers.append(server)
        return server.wait_until(ready)

    def hold(self, command):
        """Starts a load that goes on until it is ended."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   preexec_fn=_ends_with_its_parent)
        self.held.append(process)
        return process

    def begin(self, command):
        """Starts a load whose report is read when it ends."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=_ends_with_its_parent)
        self.held.append(process)
        return process

    def stop(self, server, how=signal.SIGTERM):
        server.stop(how)
        self.servers.remove(server)
