"""One run of the comparison: its settings, and how contenders take turns."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from comparison import loads, peers
from comparison.processes import Bench

#: Between two turns, so that what one left to do (applying, rewriting its log) is not the other's burden.
PAUSE_SECONDS = 2


@dataclass
class Run:
    """What rows need."""
    bench: Bench
    binary: Path
    bare_hyper: Path
    records: int
    rounds: int
    seconds: int
    connections: list = field(default_factory=list)

    def in_turns(self, *measures):
        """A B A B …: for each contender its figures, one a round."""
        figures = [[] for _ in measures]
        for number in range(self.rounds):
            for found, measure in zip(figures, measures):
                time.sleep(PAUSE_SECONDS)
                found.append(measure())
            print(f"  round {number + 1} of {self.rounds}", file=sys.stderr, flush=True)
        return figures

    def filled_node(self, *flags):
        """A node with every record, each read once."""
        node = peers.node(self.bench, self.binary, *flags)
        self.load_program(node, "load", "--records", self.records, "--connections", 64, "--durability", "relaxed")
        return node

    def load_program(self, node, *words):
        """`DynaRust bench`: its report."""
        return loads.dynarust_bench(self.binary, node, *words)
