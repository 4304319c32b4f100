"""Live streams: how soon events come, what a stream takes, and what it costs the others."""

import time

from comparison import held, loads, peers
from comparison.run import end
from comparison.table import Finding, at_most

STREAMS = 5_000
STREAMS_MANY = 19_000
STREAMS_BACK = 10_000
STREAMS_STOPPED = 500
#: Until what was freed has gone back to the system.
SETTLED_SECONDS = 12
KILOBYTE = 1_000
MEGABYTE = 1_000_000
LIVE_SECONDS = 10


def live(run):
    """Own key each, 300 writes a second; nchan beside it, in memory."""
    node, nchan = run.node(), peers.nchan(run.bench)
    words = ["--streams", STREAMS, "--seconds", LIVE_SECONDS]
    relaxed, sync, theirs = run.in_turns(
        lambda: run.load_program(node, "live", *words, "--durability", "relaxed"),
        lambda: run.load_program(node, "live", *words),
        lambda: run.nchan_live(nchan, *words))
    event, answer = "write to event", "write to answer"
    bar = f"{STREAMS:,} streams, own key each, 300 writes/s"
    yield at_most(f"{bar}, relaxed: event p50", _micros(relaxed, event, "p50"), "µs", 250)
    yield at_most(f"{bar}, relaxed: event p99", _micros(relaxed, event, "p99"), "µs", 1000)
    yield at_most(f"{bar}, sync: event p99", _micros(sync, event, "p99"), "µs", 5000)
    behind = [mine - writers for mine, writers in zip(_micros(sync, event, "p99"), _micros(sync, answer, "p99"))]
    yield at_most(f"{bar}, sync: event p99 behind the answer's", behind, "µs", 300)
    for percentile in ("p50", "p99"):
        yield Finding(f"{bar}, relaxed: event {percentile}", _micros(relaxed, event, percentile), "µs",
                      peer="nginx and nchan", peers=_micros(theirs, event, percentile))


def memory(run):
    """What streams add to the node's memory."""
    each, many = [], []
    for number in range(run.rounds):
        for streams, found in ((STREAMS, each), (STREAMS_MANY, many)):
            node = run.node(place=f"node-{number}-{streams}")
            before = node.resident_bytes()
            holder = run.held_streams(node, streams)
            after = node.resident_bytes()
            found.append((after - before) / streams / KILOBYTE if found is each else after / MEGABYTE)
            end(holder)
            run.bench.stop(node)
    yield at_most(f"RSS a stream, {STREAMS:,} of them", each, "KB", 2)
    yield at_most(f"RSS with {STREAMS_MANY:,} streams", many, "MB", 64)


def kinds(run):
    """What streams of each kind add to the node's memory."""
    for kind in held.KINDS:
        found = []
        for number in range(run.rounds):
            node = run.node(place=f"node-{kind.replace(' ', '-').replace('/', '')}-{number}")
            before = node.resident_bytes()
            streams = held.Held(node, STREAMS, kind)
            time.sleep(SETTLED_SECONDS)
            found.append((node.resident_bytes() - before) / STREAMS / KILOBYTE)
            streams.close()
            run.bench.stop(node)
        yield Finding(f"RSS a stream, {STREAMS:,} of them, {kind}", found, "KB")


def fan_out(run):
    """One key, followed by all; in turns with nchan, and with a single stream for the writer's answer."""
    node, nchan = run.node(), peers.nchan(run.bench)
    one_key = ["--keys", 1, "--connections", 1, "--rate", 3, "--seconds", LIVE_SECONDS]
    all_follow = ["--streams", STREAMS, *one_key]
    ours, theirs, alone = run.in_turns(
        lambda: run.load_program(node, "live", *all_follow, "--durability", "relaxed"),
        lambda: run.nchan_live(nchan, *all_follow),
        lambda: run.load_program(node, "live", "--streams", 1, *one_key, "--durability", "relaxed"))
    last, answer = "write to last event", "write to answer"
    yield Finding(f"one key to {STREAMS:,}: last reader, p50", _millis(ours, last, "p50"), "ms", 1.0, False,
                  "nginx and nchan", _millis(theirs, last, "p50"))
    yield Finding(f"one key to {STREAMS:,}: last reader, max", _millis(ours, last, "max"), "ms",
                  peer="nginx and nchan", peers=_millis(theirs, last, "max"))
    yield Finding("its writer's answer, p50", _millis(ours, answer, "p50"), "ms",
                  peer="one stream alone", peers=_millis(alone, answer, "p50"),
                  note=f"max {max(_millis(ours, answer, 'max')):.3g} ms")


def idle(run):
    """Durable writes with idle streams open, in turns with none."""
    node = run.filled_node()

    def with_streams():
        holder = run.held_streams(node, STREAMS)
        try:
            return loads.wrk(node, "put.lua", [run.records, "sync"], 32, run.seconds)
        finally:
            end(holder)
            time.sleep(1)

    idle_open, none_open = run.in_turns(
        with_streams, lambda: loads.wrk(node, "put.lua", [run.records, "sync"], 32, run.seconds))
    yield Finding(f"durable PUT/s with {STREAMS:,} idle streams, 32 connections",
                  [figure.per_second for figure in idle_open], asked=0.9, peer="none open",
                  peers=[figure.per_second for figure in none_open])


def writers(run):
    """Durable writes beside streams whose readers idle, read what is written, or have stopped; in turns with none."""
    node = run.filled_node()
    idle_key, written_key = "held-{:06}", "{:08}"
    for what, streams, key, read in [
            ("idle", STREAMS, idle_key, True),
            ("busy", STREAMS, written_key, True),
            ("stopped", STREAMS_STOPPED, written_key, False)]:
        def puts(records=streams):
            return loads.wrk(node, "put.lua", [records, "sync"], 32, run.seconds)

        def beside(streams=streams, key=key, read=read):
            readers = held.Held(node, streams, key=key, read=read)
            try:
                return puts()
            finally:
                readers.close()

        with_streams, with_none = run.in_turns(beside, puts)
        bar = f"durable PUT, 32 connections, beside {streams:,} streams with {what} readers"
        yield Finding(f"{bar}: writes/s", [it.per_second for it in with_streams], asked=0.9 if what == "idle" else None,
                      peer="none", peers=[it.per_second for it in with_none])
        yield Finding(f"{bar}: p99", [it.p99 for it in with_streams], "ms", peer="none",
                      peers=[it.p99 for it in with_none])


def resume(run):
    """All come back at once with their last ids."""
    node = run.filled_node()
    reports, = run.in_turns(lambda: run.load_program(node, "resume", "--streams", STREAMS_BACK))
    missing = sum(report["facts"]["streams without what they missed"] for report in reports)
    resets = sum(report["facts"]["streams by reset"] for report in reports)
    yield at_most(f"{STREAMS_BACK:,} streams back at once: the last one", [report["seconds"] for report in reports],
                  "s", 5, note=f"{missing:.0f} miss an event, {resets:.0f} by reset")


def _micros(reports, what, percentile):
    return [loads.micros(report, what, percentile) for report in reports]


def _millis(reports, what, percentile):
    return [micros / 1000 for micros in _micros(reports, what, percentile)]
