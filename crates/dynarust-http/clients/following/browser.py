"""A browser without a screen on page.html, which comes from an origin of its own and tells it what it was told."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

from .tools import HERE

#: Nobody sees it, and it asks nobody but the page's origin and the node.
COMMAND = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad"]


class Page:
    """Serves the page until it is closed."""

    def __init__(self, pictures):
        #: By the name that the page has for them.
        self.pictures = pictures
        self.faults = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def address(self, stream):
        asked = [("stream", stream)] + [("way", way) for way in self.pictures]
        return f"{self.origin}/page.html?{urlencode(asked)}"

    def take(self, path, text):
        if path == "/failed":
            self.faults.append(f"the page: {text}")
            return
        for line in text.split("\n"):
            self.pictures[path.removeprefix("/told/")].tell(line)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def handler(page):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if self.path.startswith("/page.html?"):
                self._answer(200, (HERE / "page.html").read_bytes())
            else:
                self._answer(404, b"")

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            page.take(self.path, body.decode())
            self._answer(200, b"")

        def _answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler
