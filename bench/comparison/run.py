"""One run of the comparison: its settings, and how contenders take turns."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from comparison import loads, peers
from comparison.processes import Bench, ComparisonError, handles

#: Between two turns, so that what one left to do (applying, rewriting its log) is not the other's burden.
PAUSE_SECONDS = 2
HOLD_PATIENCE_SECONDS = 60


@dataclass
class Run:
    """What rows need."""
    bench: Bench
    target: Path
    records: int
    rounds: int
    seconds: int
    connections: list = field(default_factory=list)

    @property
    def binary(self):
        return self.target / "DynaRust"

    def in_turns(self, *measures):
        """A B A B …: for each contender its figures, one a round."""
        figures = [[] for _ in measures]
        for number in range(self.rounds):
            for found, measure in zip(figures, measures):
                time.sleep(PAUSE_SECONDS)
                found.append(measure())
            print(f"  round {number + 1} of {self.rounds}", file=sys.stderr, flush=True)
        return figures

    def node(self, *flags, place="dynarust"):
        return peers.node(self.bench, self.binary, *flags, place=place)

    def filled_node(self, *flags, records=None, place="dynarust"):
        """A node with every record."""
        node = self.node(*flags, place=place)
        self.load_program(node, "load", "--records", records or self.records, "--connections", 64,
                          "--durability", "relaxed")
        return node

    def bare_hyper(self):
        return peers.bare_hyper(self.bench, self.target / "examples/bare_hyper", self.records)

    def load_program(self, node, *words):
        """`DynaRust bench`: its report."""
        return loads.report([self.binary, "bench", *words, "--json"], node)

    def nchan_live(self, server, *words):
        """The report of the same streams on nchan."""
        return loads.report([self.target / "examples/nchan_live", *words], server)

    def held_streams(self, node, streams):
        """Live streams that are open and idle until the process that is given back is stopped."""
        words = [self.binary, "bench", "live", "--rate", 0, "--seconds", 1_000_000, "--json",
                 "--streams", streams, "--address", node.address]
        holder = self.bench.hold([str(word) for word in words])
        deadline = time.monotonic() + HOLD_PATIENCE_SECONDS
        # Both sides have them; what else they have open is little, and comes and goes.
        while min(node.handles(), handles(holder.pid)) < streams:
            if holder.poll() is not None or time.monotonic() > deadline:
                raise ComparisonError(f"{node.name} does not take {streams} streams")
            time.sleep(0.05)
        time.sleep(PAUSE_SECONDS)
        return holder


def end(process):
    """Ends a load that would go on."""
    process.terminate()
    process.wait()


def probe_rate(measure):
    """Half of what a contender can do, for latencies at half its rate."""
    return max(1, int(measure().per_second / 2))
