"""Requests a second: durable and relaxed writes, hot reads; and latencies at half of what was reached."""

from statistics import median

from comparison import loads, peers
from comparison.table import Finding, at_most

#: About 9 MB with what is around them: less than the record cache.
HOT_RECORDS = 20_000
#: A turn at a fixed rate: long enough for a hundred checkpoints to show.
PACED_SECONDS = 10


def put(run):
    """Durable overwrites against Redis, which syncs each write of its log."""
    node, redis = run.filled_node(), peers.redis(run.bench, "always")
    loads.fill_redis(redis, run.records)
    for connections in run.connections or (32, 64):
        ours, theirs = run.in_turns(
            lambda: loads.wrk(node, "put.lua", [run.records, "sync"], connections, run.seconds),
            lambda: loads.redis_benchmark(redis, "set", connections, run.seconds, run.records))
        yield Finding(f"durable PUT/s, {connections} connections", rates(ours), asked=0.9,
                      peer="Redis SET, fsync always", peers=rates(theirs), note=latencies(ours))


def put_paced(run):
    """Latencies of durable overwrites at half the rate that the same connections reach."""
    node = run.filled_node()
    for connections in run.connections or (32, 64):
        full, = run.in_turns(
            lambda: loads.wrk(node, "put.lua", [run.records, "sync"], connections, run.seconds))
        yield from paced(run, node, "write", connections, full, p99_ms=5)


def relaxed(run):
    """Relaxed overwrites against webdis over Redis, and Redis itself, which sync once a second."""
    node, redis = run.filled_node(), peers.redis(run.bench, "everysec")
    webdis = peers.webdis(run.bench, redis)
    loads.fill_redis(redis, run.records)
    for connections in run.connections or (32,):
        ours, over_http, itself = run.in_turns(
            lambda: loads.wrk(node, "put.lua", [run.records, "relaxed"], connections, run.seconds),
            lambda: loads.webdis_sets(webdis, connections, run.seconds, run.records),
            lambda: loads.redis_benchmark(redis, "set", connections, run.seconds, run.records))
        bar = f"relaxed PUT/s, {connections} connections"
        yield Finding(bar, rates(ours), asked=2, peer="webdis over Redis, fsync each second",
                      peers=rates(over_http), note=latencies(ours))
        yield Finding(f"{bar} (stretch)", rates(ours), asked=0.8, peer="Redis SET, fsync each second",
                      peers=rates(itself))


def etcd(run):
    """Durable overwrites against etcd's JSON gateway; nothing is asked."""
    node, other = run.filled_node(), peers.etcd(run.bench)
    for connections in run.connections or (32,):
        ours, theirs = run.in_turns(
            lambda: loads.wrk(node, "put.lua", [run.records, "sync"], connections, run.seconds),
            lambda: loads.etcd_puts(other, connections, run.seconds, run.records))
        yield Finding(f"durable PUT/s, {connections} connections", rates(ours), peer="etcd, JSON gateway",
                      peers=rates(theirs))


def get(run):
    """Of records that are read often (they fit the record cache), and of all."""
    node, redis, hyper = run.filled_node(), peers.redis(run.bench, "no"), run.bare_hyper()
    loads.fill_redis(redis, run.records)
    for records in (min(HOT_RECORDS, run.records), run.records):
        for connections in run.connections or (16, 64):
            ours, redis_gets, hyper_gets = run.in_turns(
                lambda: loads.wrk(node, "get.lua", [records], connections, run.seconds),
                lambda: loads.redis_benchmark(redis, "get", connections, run.seconds, records),
                lambda: loads.wrk(hyper, "get.lua", [records], connections, run.seconds))
            bar = f"GET/s of {records:,} records, {connections} connections"
            yield Finding(bar, rates(ours), asked=1.2, peer="Redis GET", peers=rates(redis_gets),
                          note=latencies(ours))
            yield Finding(bar, rates(ours), asked=0.85, peer="bare hyper", peers=rates(hyper_gets))


def get_paced(run):
    """Latencies of hot reads at half the rate that the same connections reach."""
    node = run.filled_node()
    records = min(HOT_RECORDS, run.records)
    for connections in run.connections or (16, 64):
        full, = run.in_turns(lambda: loads.wrk(node, "get.lua", [records], connections, run.seconds))
        yield from paced(run, node, "read", connections, full, p50_ms=0.5, p99_ms=2, records=records)


def paced(run, node, load, connections, full, p99_ms, p50_ms=None, records=None):
    rate = int(median(rates(full)) / 2)
    reports, = run.in_turns(lambda: run.load_program(
        node, load, "--rate", rate, "--connections", connections, "--seconds", PACED_SECONDS,
        "--records", records or run.records))
    bar = f"{load} at half that rate ({rate:,}/s), {connections} connections"
    if p50_ms:
        yield at_most(f"{bar}: p50", percentiles(reports, "p50"), "ms", p50_ms)
    yield at_most(f"{bar}: p99", percentiles(reports, "p99"), "ms", p99_ms,
                  note=f"p99.9 {max(percentiles(reports, 'p99_9')):.3g} ms at worst")


def percentiles(reports, which):
    return [loads.micros(report, "request to answer", which) / 1000 for report in reports]


def rates(figures):
    return [figure.per_second for figure in figures]


def latencies(figures):
    """The worst round's."""
    p50, p99 = max(figure.p50 for figure in figures), max(figure.p99 for figure in figures)
    return f"p50 {p50:.2g} ms, p99 {p99:.2g} ms at worst"
