"""Writes and deletes all the time, at whichever node answers.

The keys are some fifty at a time, and move on: each is written about five times, then never again, so that no later
change hides that one was lost.
"""

import http.client
import random
import threading
import time

TABLE = "followed"
KEYS_AT_A_TIME = 50
WRITES_A_KEY = 5
#: Between two writes: some two hundred a second, so that clients on a busy machine can keep up.
PAUSE_SECONDS = 0.004
ANSWER_PATIENCE_SECONDS = 10
#: Line ends between tokens, and what some languages take for line ends inside a string.
VALUE = '{{\n  "number": {number},\r\n  "text": "a\u2028b\u0085c 😀"\n}}'


class Writer:
    def __init__(self, nodes):
        self.addresses = [node.address for node in nodes]
        self.connection = None
        self.random = random.Random(1)
        self.acknowledged = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_error):
        self.stop()

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def _run(self):
        number = 0
        while not self.stopping.is_set():
            number += 1
            try:
                self.acknowledged += self._write(number)
            except (OSError, http.client.HTTPException):
                self.connection = None
                # The next one's turn.
                self.addresses.append(self.addresses.pop(0))
            time.sleep(PAUSE_SECONDS)

    def _write(self, number):
        """Whether it was acknowledged."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.addresses[0], timeout=ANSWER_PATIENCE_SECONDS)
        key = number // WRITES_A_KEY + self.random.randrange(KEYS_AT_A_TIME)
        path = f"/{TABLE}/key/{key:05}"
        if self.random.random() < 0.25:
            self.connection.request("DELETE", path)
        else:
            body = f'{{"value": {VALUE.format(number=number)}}}'.encode()
            self.connection.request("PUT", path, body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        answer.read()
        return answer.status == 200
