"""What a row found, and how it is shown: the figures of each round, their medians, the ratio, the bar."""

import os
import platform
from dataclasses import dataclass, field
from datetime import datetime, timezone
from statistics import median


@dataclass
class Finding:
    """One bar: our figures, the peer's where a ratio is asked, and what is asked, if anything is."""
    bar: str
    ours: list
    unit: str = ""
    asked: float | None = None
    at_least: bool = True
    peer: str = ""
    peers: list = field(default_factory=list)
    note: str = ""

    def value(self):
        """What is compared with the bar: a ratio of medians, or a median."""
        if self.peers:
            return median(self.ours) / median(self.peers) if median(self.peers) else float("inf")
        return median(self.ours)

    def holds(self):
        if self.asked is None:
            return ""
        holds = self.value() >= self.asked if self.at_least else self.value() <= self.asked
        return "yes" if holds else "**no**"


def at_most(bar, ours, unit, asked, **more):
    """A bar that is a size or a time."""
    return Finding(bar, ours, unit, asked, at_least=False, **more)


def _figure(value):
    if value >= 10_000:
        return f"{value / 1000:.1f} k"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _figures(values, unit):
    each = f" ({', '.join(_figure(value) for value in values)})" if len(values) > 1 else ""
    return f"**{_figure(median(values))}**{unit and ' ' + unit}{each}"


def machine():
    models = (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    model = next(models, platform.machine())
    cores = len(os.sched_getaffinity(0))
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return (f"{now}; {cores} cores, shared by the servers and the load, nothing pinned; {model}; "
            f"Linux {platform.release()}")


HEAD = "| bar | ours | beside it | ratio | asked | holds |\n| --- | --- | --- | --- | --- | --- |"


def row(finding):
    beside = f"{finding.peer}: {_figures(finding.peers, finding.unit)}" if finding.peers else ""
    ratio = f"{finding.value():.2f}" if finding.peers else ""
    asked = ""
    if finding.asked is not None:
        sign = "≥" if finding.at_least else "≤"
        asked = f"{sign} {finding.asked:g}" + ("" if finding.peers else f" {finding.unit}")
    note = f"; {finding.note}" if finding.note else ""
    return (f"| {finding.bar} | {_figures(finding.ours, finding.unit)}{note} | {beside} | {ratio} | {asked} "
            f"| {finding.holds()} |")
