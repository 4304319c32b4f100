"""Requests a second: durable and relaxed writes, hot reads."""

from comparison import loads, peers
from comparison.table import Finding

#: About 9 MB with what is around them: less than the record cache.
HOT_RECORDS = 20_000


def put(run):
    node, redis = run.filled_node(), peers.redis(run.bench, "always")
    loads.fill_redis(redis, run.records)
    for connections in run.connections or (32, 64):
        ours, theirs = run.in_turns(
            lambda: loads.wrk(node, "put.lua", [run.records, "sync"], connections, run.seconds),
            lambda: loads.redis_benchmark(redis, "set", connections, run.seconds, run.records))
        yield Finding(f"durable PUT/s, {connections} connections", rates(ours), 0.9, "", peer="Redis SET, fsync always",
                      peers=rates(theirs), note=latencies(ours))


def get(run):
    """Of records that are read often (they fit the record cache), and of all."""
    node, redis = run.filled_node(), peers.redis(run.bench, "no")
    hyper = peers.bare_hyper(run.bench, run.bare_hyper, run.records)
    loads.fill_redis(redis, run.records)
    for records in (min(HOT_RECORDS, run.records), run.records):
        for connections in run.connections or (16, 64):
            ours, redis_gets, hyper_gets = run.in_turns(
                lambda: loads.wrk(node, "get.lua", [records], connections, run.seconds),
                lambda: loads.redis_benchmark(redis, "get", connections, run.seconds, records),
                lambda: loads.wrk(hyper, "get.lua", [records], connections, run.seconds))
            bar = f"GET/s of {records:,} records, {connections} connections"
            yield Finding(bar, rates(ours), 1.2, "", peer="Redis GET", peers=rates(redis_gets), note=latencies(ours))
            yield Finding(bar, rates(ours), 0.85, "", peer="bare hyper", peers=rates(hyper_gets))


def rates(figures):
    return [figure.per_second for figure in figures]


def latencies(figures):
    """The worst round's."""
    p50, p99 = max(figure.p50 for figure in figures), max(figure.p99 for figure in figures)
    return f"p50 {p50:.2g} ms, p99 {p99:.2g} ms at worst"
