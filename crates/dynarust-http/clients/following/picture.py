"""A table as a client was told it, event by event, and the laws that hold for what it is told."""

import json
from collections import Counter


class Picture:
    def __init__(self):
        #: Key to version and value; `None` where it was deleted.
        self.records = {}
        #: Key to the last version that was told.
        self.versions = {}
        #: Events by name.
        self.told = Counter()
        self.faults = []

    def tell(self, line):
        """One line of a client: `event`, `id`, and `data` as the client gave it."""
        try:
            event = json.loads(line)
            name, data = event["event"], json.loads(event["data"])
            if not event["id"]:
                self.faults.append(f"an event without an id: {line}")
            self._take(name, data)
        except (KeyError, TypeError, ValueError) as error:
            self.faults.append(f"{error!r} in {line}")

    def _take(self, name, data):
        if name == "message":
            self._change(data)
        elif name == "reset":
            self.faults.append("`reset`, though nothing was forgotten")
            self.records.clear()
        self.told[name] += 1

    def _change(self, change):
        key, version = change["key"], change["version"]
        if version < self.versions.get(key, ""):
            self.faults.append(f"{key} fell from version {self.versions[key]} to {version}")
        self.versions[key] = version
        self.records[key] = None if change.get("deleted") else (version, change["value"])

    def differs(self, listed):
        """Where it is not what the table's list says, in words; nothing where they are equal."""
        held = {key: record for key, record in self.records.copy().items() if record is not None}
        keys = sorted(key for key in held.keys() | listed.keys() if held.get(key) != listed.get(key))
        return "; ".join(f"{key} is {held.get(key)}, not {listed.get(key)}" for key in keys[:3])
