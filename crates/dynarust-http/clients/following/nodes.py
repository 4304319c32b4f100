"""Nodes, alone or as a cluster: each a process on a free port with a folder of its own."""

import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import urllib.error
import urllib.request

from .patience import PATIENCE_SECONDS, Failed, wait_until

PR_SET_PDEATHSIG = 1
#: Looked up before there are threads: what runs between fork and exec must wait for no lock.
PRCTL = ctypes.CDLL(None).prctl


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def ends_with_its_parent():
    """Where the check is killed, nobody else would end what it started."""
    PRCTL(PR_SET_PDEATHSIG, signal.SIGTERM)


class Node:
    """One node, which can be stopped, and started again on its port and its folder."""

    def __init__(self, program, folder, environment, cors_origin, join):
        address = f"127.0.0.1:{free_port()}"
        self.address, self.url = address, f"http://{address}"
        self.log = folder / f"{address}.log"
        self.environment = environment
        self.command = [program, address, *join, "--data-dir", folder / address, "--cors-origin", cors_origin]
        self.process = None

    def start(self):
        self.begin()
        self.wait_until_ready()

    def begin(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=ends_with_its_parent)

    def wait_until_ready(self):
        wait_until(self.is_ready, lambda: f"a node is not ready: {self.log.read_text()[-2000:]}")

    def is_ready(self):
        if self.process.poll() is not None:
            raise Failed(f"a node has ended: {self.log.read_text()[-2000:]}")
        try:
            self.ask("/readyz")
        except (OSError, Failed):
            return False
        return True

    def ask(self, path, accept="*/*"):
        """The answer's text."""
        request = urllib.request.Request(self.url + path, headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refused:
            raise Failed(f"{refused.code} to GET {path}: {refused.read().decode()}") from refused

    def streams(self):
        """What the node counts of its live streams since it started."""
        return json.loads(self.ask("/stats"))["streams"]

    def table(self, name):
        """Key to version and value, as all copies have it."""
        lines = self.ask(f"/{name}/store?consistency=all", "application/x-ndjson").split("\n")
        records = [json.loads(line) for line in lines if line]
        return {record["key"]: (record["version"], record["value"]) for record in records}

    def stop(self, how):
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE_SECONDS)
        if how == signal.SIGTERM and code != 0:
            raise Failed(f"a node ended with {code}: {self.log.read_text()[-2000:]}")

    def complaints(self):
        return [line for line in self.log.read_text().splitlines() if "ERROR" in line or "panicked" in line]


class Cluster:
    """So many nodes that know one secret; one alone knows none."""

    def __init__(self, program, folder, count, cors_origin):
        environment = {name: value for name, value in os.environ.items() if name != "CLUSTER_SECRET"}
        if count > 1:
            environment["CLUSTER_SECRET"] = secrets.token_hex(32)
        self.nodes = []
        for _ in range(count):
            join = [node.address for node in self.nodes[:1]]
            self.nodes.append(Node(program, folder, environment, cors_origin, join))

    def __enter__(self):
        return self

    def start(self):
        for node in self.nodes:
            node.start()

    def __exit__(self, *_error):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
                node.process.wait()
