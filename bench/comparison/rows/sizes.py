"""What a node takes: memory and disk with its records, and the time until it is ready again."""

import signal
import time

from comparison import loads, peers
from comparison.processes import answers_200, free_port
from comparison.table import at_most

MEGABYTE = 1_000_000
OVERWRITTEN_SECONDS = 10
#: Until what is recent is in the base.
SETTLED_SECONDS = 5


def memory(run):
    """Memory and disk with every record, all read once, then ten seconds of random overwrites."""
    settings = [("default", [], 60), ("--cache-bytes 8M", ["--cache-bytes", "8M"], 40)]
    for name, flags, asked in settings:
        found = [_settled(run, flags, run.records, f"{name}-{number}") for number in range(run.rounds)]
        yield at_most(f"RSS with {run.records:,}, {name}", [memory for memory, _ in found], "MB", asked)
        if not flags:
            yield at_most(f"disk with {run.records:,}", [disk for _, disk in found], "MB", 60)


def memory_million(run):
    """The same with ten times as many, once."""
    records = 10 * run.records
    for name, flags in [("default", []), ("--cache-bytes 8M", ["--cache-bytes", "8M"])]:
        memory, disk = _settled(run, flags, records, name)
        yield at_most(f"RSS with {records:,}, {name}", [memory], "MB", 100, note=f"disk {disk:.0f} MB")


def _settled(run, flags, records, place):
    node = run.filled_node(*flags, records=records, place=place.replace(" ", ""))
    run.load_program(node, "read", "--once", "--records", records)
    loads.wrk(node, "put.lua", [records, "sync"], 32, OVERWRITTEN_SECONDS)
    memory = node.resident_bytes() / MEGABYTE
    time.sleep(SETTLED_SECONDS)
    disk = node.disk_bytes() / MEGABYTE
    run.bench.stop(node)
    return memory, disk


def ready(run):
    """From the start of the process to the first 200 of /readyz, behind a kill -9 and behind a clean end."""
    yield from _ready(run, run.records, 100)


def ready_ten_million(run):
    """The same with a hundred times as many."""
    yield from _ready(run, 100 * run.records, 1000)


def _ready(run, records, asked_ms):
    node = run.filled_node(records=records)
    for name, how in [("kill -9", signal.SIGKILL), ("a clean end", signal.SIGTERM)]:
        times = []
        for _ in range(run.rounds):
            loads.wrk(node, "put.lua", [records, "sync"], 32, 3)
            run.bench.stop(node, how)
            port = free_port()
            began = time.monotonic()
            node = peers.node(run.bench, run.binary, port=port, wait=False)
            while not answers_200(port, "/readyz"):
                time.sleep(0.001)
            times.append((time.monotonic() - began) * 1000)
        yield at_most(f"ready with {records:,}, behind {name}", times, "ms", asked_ms)
