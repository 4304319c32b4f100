"""Nodes together on this machine, beside one: they share its processor, so only ratios say anything of rates."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException

from comparison import loads, peers
from comparison.processes import ComparisonError, answers_200, free_port
from comparison.rows.rates import latencies, rates
from comparison.table import Finding, at_most

NODES = 3
SECRET = "a secret of the comparison"
PATIENCE_SECONDS = 60
#: Between two looks at whether something has come about.
LOOK_SECONDS = 0.02

STREAMS = 1_000
LIVE_SECONDS = 10
#: What goes on while a node joins, and before: little enough to leave the cores idle for the most part.
WRITES_PER_SECOND = 300
READS_PER_SECOND = 1_000
PACED_CONNECTIONS = 8
PACED_SECONDS = 10
#: More than any join takes: what is paced meanwhile ends with it.
PACED_SECONDS_MAX = 600
MISSED_WRITES = 10_000


def cluster(run):
    """Durable writes and hot reads through one of three nodes, against a node alone."""
    alone, nodes = run.filled_node(place="alone"), filled(run)
    for connections in run.connections or (32,):
        ours, one = run.in_turns(
            lambda: loads.wrk(nodes[0], "put.lua", [run.records, "sync"], connections, run.seconds),
            lambda: loads.wrk(alone, "put.lua", [run.records, "sync"], connections, run.seconds))
        yield Finding(f"three nodes: durable PUT/s, {connections} connections", rates(ours), asked=0.3,
                      peer="one node", peers=rates(one), note=latencies(ours))
    for connections in run.connections or (16,):
        at_one, by_default, one = run.in_turns(
            lambda: loads.wrk(nodes[0], "get.lua", [run.records, "?consistency=one"], connections, run.seconds),
            lambda: loads.wrk(nodes[0], "get.lua", [run.records], connections, run.seconds),
            lambda: loads.wrk(alone, "get.lua", [run.records], connections, run.seconds))
        yield Finding(f"three nodes: GET/s at `one`, {connections} connections", rates(at_one), asked=0.85,
                      peer="one node", peers=rates(one), note=latencies(at_one))
        yield Finding(f"three nodes: GET/s by default, {connections} connections", rates(by_default), asked=0.35,
                      peer="one node", peers=rates(one), note=latencies(by_default))


def live(run):
    """What is written on one node, followed on another; against a node alone."""
    alone, nodes = run.node(place="alone"), together(run)
    words = ["--streams", STREAMS, "--seconds", LIVE_SECONDS]
    across, at_one = run.in_turns(
        lambda: run.load_program(nodes[0], "live", *words, "--follow", nodes[2].address),
        lambda: run.load_program(alone, "live", *words))
    bar = f"{STREAMS:,} streams on another node than is written to, 300 writes/s"
    p50, p99 = ([events(report, percentile) for report in across] for percentile in ("p50", "p99"))
    yield at_most(f"{bar}: event p99", p99, "ms", 5)
    over = [mine - other for mine, other in zip(p50, [events(report, "p50") for report in at_one])]
    yield at_most(f"{bar}: event p50 over one node's", over, "ms", 1,
                  note=f"p50 {max(p50):.3g} ms at worst; write to answer {answers(across):.3g} ms")


def events(report, percentile):
    return loads.micros(report, "write to event", percentile) / 1000


def answers(reports):
    return max(loads.micros(report, "write to answer", "p50") for report in reports) / 1000


def join(run):
    """A fourth node joins three that hold every record, beside paced writes and reads."""
    seconds, moved = [], []
    before, meanwhile = {"write": [], "read": []}, {"write": [], "read": []}
    notes = []
    for number in range(run.rounds):
        nodes = filled(run, f"-of-{number}")
        settle(nodes)
        for load, report in paced(run, nodes, PACED_SECONDS).items():
            before[load].append(p99(report))
        loaded = begin_paced(run, nodes, PACED_SECONDS_MAX)
        time.sleep(1)
        began = time.monotonic()
        joiner = among(run, nodes[0], f"joiner-{number}")
        wait_until(lambda: serves_its_share(joiner), "the fourth node does not serve its share")
        seconds.append(time.monotonic() - began)
        for load, process in loaded.items():
            process.send_signal(signal.SIGINT)
        for load, process in loaded.items():
            meanwhile[load].append(p99(finished(process)))
        settle([joiner])
        mesh, share = stats(joiner)["mesh"], stats(joiner)["store"]["live_bytes"]
        bulk, data = mesh["bulk_received_bytes"], mesh["data_received_bytes"]
        moved.append((bulk + data) / share)
        notes.append(f"{bulk / 1e6:.1f} + {data / 1e6:.1f} of {share / 1e6:.1f} MB")
        for node in [joiner, *nodes]:
            run.bench.stop(node)
        print(f"  round {number + 1} of {run.rounds}: {seconds[-1]:.1f} s, {moved[-1]:.2f}", flush=True)
    bar = f"a fourth node joins {run.records:,} records"
    yield at_most(f"{bar}: serves its share after", seconds, "s", 15)
    yield at_most(f"{bar}: bytes moved, of its share", moved, "times", 1.1, note="bulk + data: " + "; ".join(notes))
    for load, rate in (("write", WRITES_PER_SECOND), ("read", READS_PER_SECOND)):
        yield Finding(f"{bar}: p99 of {rate:,} {load}s/s meanwhile, ms", meanwhile[load], asked=2, at_least=False,
                      peer="before", peers=before[load])


def back(run):
    """A node is killed, misses writes, and comes back: until it has what the others have."""
    nodes = filled(run)
    *others, lost = nodes
    seconds = []
    for _ in range(run.rounds):
        lost.stop(signal.SIGKILL)
        run.load_program(others[0], "load", "--records", MISSED_WRITES, "--connections", 32)
        wanted = first_records(others[0], MISSED_WRITES)
        began = time.monotonic()
        run.bench.servers.remove(lost)
        lost = started(run, others[0], lost.folder.name, lost.port)
        wait_until(lambda: stats(lost)["catch_up"]["feeds_behind"] == 0, "the node stays behind")
        if first_records(lost, MISSED_WRITES) != wanted:
            raise ComparisonError("the node says that it is not behind, and has not what the others have")
        seconds.append(time.monotonic() - began)
    yield at_most(f"a node back after {MISSED_WRITES:,} missed writes has them all after", seconds, "s", 5)


def killed(run):
    """One of three is killed under load: how long the longest write through another takes."""
    nodes = filled(run)
    *others, lost = nodes
    longest = []
    for _ in range(run.rounds):
        writes = begin_load(run, others[0], "write", WRITES_PER_SECOND, 6)
        time.sleep(2)
        lost.stop(signal.SIGKILL)
        longest.append(loads.micros(finished(writes), "request to answer", "max") / 1e6)
        run.bench.servers.remove(lost)
        lost = started(run, others[0], lost.folder.name, lost.port)
        wait_until(lambda: active(others[0]) == NODES and stats(lost)["catch_up"]["feeds_behind"] == 0,
                   "the killed node does not come back")
    yield at_most("a node killed under load: the longest write, none failed", longest, "s", 2)


def together(run, suffix=""):
    """Nodes that are one cluster, each of which serves all that it is to own."""
    first = started(run, None, f"node-1{suffix}")
    nodes = [first, *(among(run, first, f"node-{number + 1}{suffix}") for number in range(1, NODES))]
    wait_until(lambda: all(active(node) == NODES for node in nodes), "the nodes do not come together")
    wait_until(lambda: all(serves_its_share(node) for node in nodes), "the nodes do not serve their shares")
    return nodes


def filled(run, suffix=""):
    """The same, with every record."""
    nodes = together(run, suffix)
    run.load_program(nodes[0], "load", "--records", run.records, "--connections", 64, "--durability", "relaxed")
    return nodes


def among(run, first, place):
    """A node that joins the first."""
    return started(run, first, place, free_port())


def started(run, first, place, port=None):
    os.environ["CLUSTER_SECRET"] = SECRET
    try:
        return peers.node(run.bench, run.binary, *([first.address] if first else []), place=place, port=port)
    finally:
        del os.environ["CLUSTER_SECRET"]


def settle(nodes):
    """What is recent goes into the base, and figures become true."""
    wait_until(lambda: all(stats(node)["store"]["segments_waiting"] <= 1
                           and stats(node)["store"]["applied"] == stats(node)["store"]["head"] for node in nodes),
               "the nodes do not come to rest")
    time.sleep(1)


def begin_load(run, node, load, rate, seconds):
    words = [run.binary, "bench", load, "--rate", rate, "--seconds", seconds, "--records", run.records,
             "--connections", PACED_CONNECTIONS, "--address", node.address, "--json"]
    return run.bench.begin([str(word) for word in words])


def begin_paced(run, nodes, seconds):
    """Writes to one node, reads from another."""
    return {"write": begin_load(run, nodes[0], "write", WRITES_PER_SECOND, seconds),
            "read": begin_load(run, nodes[1], "read", READS_PER_SECOND, seconds)}


def paced(run, nodes, seconds):
    return {load: finished(process) for load, process in begin_paced(run, nodes, seconds).items()}


def finished(process):
    """The report of a load that has been begun."""
    said, wrong = process.communicate(timeout=PATIENCE_SECONDS)
    if process.returncode != 0:
        raise ComparisonError(f"{process.args}: {said[-1000:]}{wrong[-1000:]}")
    return json.loads(said)


def p99(report):
    return loads.micros(report, "request to answer", "p99") / 1000


def wait_until(so, otherwise):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not so():
        if time.monotonic() > deadline:
            raise ComparisonError(otherwise)
        time.sleep(LOOK_SECONDS)


def active(node):
    if not answers_200(node.port, "/readyz"):
        return 0
    return told(node, "/membership").get("active_count", 0)


def serves_its_share(node):
    return active(node) > 1 and stats(node)["catch_up"]["partitions_waiting"] == 0


def stats(node):
    return told(node, "/stats")


def told(node, path):
    return json.loads(body(node, path))


def body(node, path, **headers):
    connection = HTTPConnection("127.0.0.1", node.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().read()
    except (OSError, HTTPException) as error:
        raise ComparisonError(f"{node.name} does not tell {path}: {error}") from error
    finally:
        connection.close()


def first_records(node, count):
    """The first so many, with their versions, as the node itself has them."""
    return body(node, f"/bench/store?limit={count}&consistency=one", Accept="application/x-ndjson")
