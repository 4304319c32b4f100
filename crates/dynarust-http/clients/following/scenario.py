"""What happens: clients follow a table that is written all the time, and their node goes and comes back twice.

1. Each client gets the state, then `ready`, then changes.
2. The node is killed (kill -9), and started again on its folder and port. Of several nodes, the others take
   writes meanwhile.
3. It is restarted by SIGTERM: it says `closing`, with a `retry`.
4. Of several nodes it is killed once more, and comes back while the others don't answer, so that it is not ready
   when its clients are back. They must not give up.
5. The writer stops. Each client's picture must become what the table's list says.

After each start every stream at the node must have gone on behind an id, and none been told `reset`.
"""

import signal
import time

from .patience import Failed, wait_until
from .writer import TABLE, Writer

#: Enough that there are writes and deletes of many keys among them.
WRITES = 100
#: That each client is told before the node goes.
CHANGES = 50
#: For how long the others don't answer. Clients come back after 2 s.
ALONE_SECONDS = 5
FAULTS_SHOWN = 5


class Scenario:
    def __init__(self, cluster, clients):
        self.cluster, self.clients = cluster, clients
        #: The one that the clients follow.
        self.node = cluster.nodes[-1]
        self.writer = Writer(cluster.nodes)
        #: For each time that the node went: what was written before the first client was back.
        self.missed = []

    def play(self):
        self.cluster.start()
        with self.writer:
            self.wait_for_writes()
            self.clients.follow(f"{self.node.url}/{TABLE}/subscribe")
            self.wait_for_event("ready")
            self.take_away(signal.SIGKILL)
            self.take_away(signal.SIGTERM)
            self.wait_for_event("closing")
            if len(self.cluster.nodes) > 1:
                self.come_back_alone()
        self.compare()
        complaints = [line for node in self.cluster.nodes for line in node.complaints()]
        if complaints:
            raise Failed("\n".join(complaints))

    def take_away(self, how):
        enough = {name: picture.told["message"] + CHANGES for name, picture in self.clients.pictures.items()}
        self.wait_for_clients(
            lambda name, picture: picture.told["message"] < enough[name] and "told too few changes")
        self.node.stop(how)
        written = self.writer.acknowledged
        if how == signal.SIGKILL and len(self.cluster.nodes) > 1:
            self.wait_for_writes()
        self.node.start()
        wait_until(lambda: self.node.streams()["begun"] > 0, lambda: f"no client came back: {self.clients.faults()}")
        self.missed.append(self.writer.acknowledged - written)
        self.wait_for_event("ready", len(self.missed) + 1)
        self.look_at_resumes()

    def come_back_alone(self):
        others = self.cluster.nodes[:-1]
        self.node.stop(signal.SIGKILL)
        for other in others:
            other.process.send_signal(signal.SIGSTOP)
        self.node.begin()
        time.sleep(ALONE_SECONDS)
        for other in others:
            other.process.send_signal(signal.SIGCONT)
        self.node.wait_until_ready()
        self.wait_for_event("ready", len(self.missed) + 2)
        self.look_at_resumes()

    def look_at_resumes(self):
        streams = self.node.streams()
        if streams["reset"] or not streams["begun"] == streams["resumed"] >= len(self.clients.pictures):
            raise Failed(f"not every stream went on behind an id: {streams}")

    def compare(self):
        listed = self.node.table(TABLE)
        self.wait_for_clients(lambda _, picture: picture.differs(listed))

    def wait_for_writes(self):
        enough = self.writer.acknowledged + WRITES
        wait_until(lambda: self.writer.acknowledged >= enough, lambda: f"fewer than {WRITES} writes acknowledged")

    def wait_for_event(self, event, count=1):
        self.wait_for_clients(
            lambda _, picture: picture.told[event] < count and f"`{event}` told too few times")

    def wait_for_clients(self, lacks):
        """Until none lacks anything; `lacks` says what, of a name and a picture."""
        def lacking():
            if faults := self.clients.faults():
                raise Failed("\n".join(faults[:FAULTS_SHOWN]))
            found = {name: lacks(name, picture) for name, picture in self.clients.pictures.items()}
            return [f"{name}: {what}" for name, what in found.items() if what]
        wait_until(lambda: not lacking(), lambda: "\n".join(lacking()))
