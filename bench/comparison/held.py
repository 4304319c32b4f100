"""Live streams that are held open by this program, of every kind: read as they come, or not at all."""

import base64
import os
import selectors
import socket
import struct
import threading
import time

from comparison.processes import ComparisonError

PATIENCE_SECONDS = 60
#: At a time, so that the node's queue of connections has room for them.
OPENED_AT_ONCE = 100
#: Streams of HTTP/2 on one connection.
ON_ONE_CONNECTION = 100
#: What the kernel keeps for a reader that has stopped.
SMALL_BUFFER = 4096
READ_BYTES = 1 << 16

EVENTS, LINES, WEB_SOCKET, HTTP2 = "server-sent events", "lines", "WebSocket", "HTTP/2"
KINDS = [EVENTS, LINES, WEB_SOCKET, HTTP2]


class Held:
    """So many streams, each on a key of its own, until they are closed."""

    def __init__(self, server, count, kind=EVENTS, key="held-{:06}", read=True):
        self.read, self.stopping = read, threading.Event()
        self.selector = selectors.DefaultSelector()
        self.sockets = []
        paths = [f"/bench/subscribe/{key.format(number)}" for number in range(count)]
        each = ON_ONE_CONNECTION if kind == HTTP2 else 1
        openings = [_opening(kind, paths[at:at + each]) for at in range(0, count, each)]
        for at in range(0, len(openings), OPENED_AT_ONCE):
            self._open(server, openings[at:at + OPENED_AT_ONCE], each)
        self.reader = threading.Thread(target=self._read_all, daemon=True)
        if read:
            self.reader.start()

    def _open(self, server, openings, each):
        opened = []
        for opening in openings:
            connection = socket.socket()
            if not self.read:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(opening)
            opened.append(connection)
        for connection in opened:
            said = b""
            while said.count(b"ready") < each:
                more = connection.recv(READ_BYTES)
                if not more:
                    raise ComparisonError(f"{server.name} ends a stream: {said[:500]}")
                said += more
            connection.setblocking(False)
            self.selector.register(connection, selectors.EVENT_READ)
        self.sockets += opened

    def _read_all(self):
        while not self.stopping.is_set():
            for key, _ in self.selector.select(0.2):
                try:
                    if not key.fileobj.recv(READ_BYTES):
                        self.selector.unregister(key.fileobj)
                except OSError:
                    self.selector.unregister(key.fileobj)

    def close(self):
        """Ends them all."""
        self.stopping.set()
        if self.read:
            self.reader.join()
        for connection in self.sockets:
            connection.close()
        self.selector.close()
        time.sleep(1)


def _opening(kind, paths):
    """What a client says first."""
    if kind == HTTP2:
        return _http2(paths)
    path, = paths
    lines = [f"GET {path} HTTP/1.1", "Host: bench"]
    if kind == WEB_SOCKET:
        key = base64.b64encode(os.urandom(16)).decode()
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
    else:
        lines.append(f"Accept: {'application/x-ndjson' if kind == LINES else 'text/event-stream'}")
    return "\r\n".join([*lines, "", ""]).encode()


def _http2(paths):
    """The client's preface, and a request for each (RFC 9113; fields are literal, as in RFC 7541 section 6.2.2)."""
    said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"")
    for number, path in enumerate(paths):
        fields = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "bench"),
                  ("accept", "text/event-stream")]
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
        said += _frame(1, 0x5, 2 * number + 1, block)
    return said


def _frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(text):
    return bytes([len(text)]) + text.encode()
