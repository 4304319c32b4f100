"""The loads: wrk, redis-benchmark, and `DynaRust bench`. Each gives figures, or says why there are none."""

import csv
import json
import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from comparison.processes import ComparisonError

SCRIPTS = Path(__file__).resolve().parent.parent / "wrk"
#: As many bytes as a record's text has on average (50 words of lorem ipsum).
VALUE_BYTES = 345


@dataclass
class Rate:
    """Requests a second, and latencies in milliseconds."""
    per_second: float
    p50: float
    p99: float


def _run(command):
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise ComparisonError(f"{' '.join(command)}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout


def wrk(server, script, arguments, connections, seconds):
    """One thread: the other core is the server's."""
    said = _run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                 "-s", SCRIPTS / script, f"http://{server.address}", "--", *arguments])
    for failed in ("Non-2xx or 3xx responses", "Socket errors"):
        if failed in said:
            raise ComparisonError(f"{server.name}: {said}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))
    return Rate(rate, _percentile(said, 50), _percentile(said, 99))


def _percentile(said, which):
    value, unit = re.search(rf"^\s+{which}%\s+([\d.]+)(us|ms|s)$", said, re.MULTILINE).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def redis_benchmark(server, command, connections, seconds, records):
    """`command` is set or get, of random keys. It counts requests, not seconds: a probe says how many."""
    def run(requests):
        said = _run(["redis-benchmark", "-p", server.port, "-c", connections, "-n", requests, "-r", records,
                     "-d", VALUE_BYTES, "-t", command, "--csv"])
        row = list(csv.DictReader(said.splitlines()))[0]
        return Rate(float(row["rps"]), float(row["p50_latency_ms"]), float(row["p99_latency_ms"]))
    probe = run(20_000)
    return run(int(probe.per_second * seconds))


def fill_redis(server, records):
    """The keys that redis-benchmark reads."""
    value = b"x" * VALUE_BYTES
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        answers = connection.makefile("rb")
        for first in range(0, records, 1000):
            batch = range(first, min(first + 1000, records))
            connection.sendall(b"".join(
                b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n" % (key, VALUE_BYTES, value)
                for key in batch))
            for _ in batch:
                if answers.readline() != b"+OK\r\n":
                    raise ComparisonError(f"{server.name} refuses to be filled")


def report(command, server):
    """The JSON report of a load program; a failed request is no figure."""
    return json.loads(_run([*command, "--address", server.address]))


def micros(report, what, percentile):
    return report["measured"][what]["micros"][percentile]


def etcd_puts(server, connections, seconds, records):
    return wrk(server, "etcd.lua", [records], connections, seconds)


def webdis_sets(server, connections, seconds, records):
    return wrk(server, "webdis.lua", [records], connections, seconds)
