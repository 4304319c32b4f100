"""The clients: what each needs, how it is started, and what it was told."""

import subprocess
import sys
import threading

from . import browser
from .nodes import ends_with_its_parent
from .patience import PATIENCE_SECONDS
from .picture import Picture
from .tools import HERE

#: The packages that a program needs of the machine, and its command, which the stream's address ends.
PROGRAMS = {
    "curl-header": (["curl"], lambda _: [sys.executable, HERE / "curl_client.py", "header"]),
    "curl-parameter": (["curl"], lambda _: [sys.executable, HERE / "curl_client.py", "parameter"]),
    "httpx-sse": (["python3-venv"], lambda tools: [tools.python, HERE / "httpx_sse_client.py"]),
    "sseclient-py": (["python3-venv"], lambda tools: [tools.python, HERE / "sseclient_py_client.py"]),
    "eventsource": (["nodejs", "npm"], lambda tools: ["node", tools.javascript / "eventsource_client.mjs"]),
}
#: Those in the browser, and what page.html calls them.
WAYS = {"browser-eventsource": "EventSource", "browser-websocket": "WebSocket", "browser-fetch": "fetch"}

NEEDS = {name: needs for name, (needs, _) in PROGRAMS.items()} | dict.fromkeys(WAYS, ["chromium"])


class Clients:
    """Some clients on one stream, each with a picture of what it was told."""

    def __init__(self, names, tools, folder):
        self.folder = folder
        self.commands = {name: PROGRAMS[name][1](tools) for name in names if name in PROGRAMS}
        self.pictures = {name: Picture() for name in names}
        self.page = browser.Page({WAYS[name]: self.pictures[name] for name in names if name in WAYS})
        self.processes = {}

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(PATIENCE_SECONDS)
        self.page.close()

    def follow(self, url):
        for name, command in self.commands.items():
            process = self._start(name, [*command, url], subprocess.PIPE)
            threading.Thread(target=read, args=(process.stdout, self.pictures[name]), daemon=True).start()
        if self.page.pictures:
            profile = f"--user-data-dir={self.folder / 'profile'}"
            self._start("chromium", [*browser.COMMAND, profile, self.page.address(url)], subprocess.DEVNULL)

    def _start(self, name, command, stdout):
        with open(self._log(name), "w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=log,
                                       encoding="utf-8", preexec_fn=ends_with_its_parent)
        self.processes[name] = process
        return process

    def _log(self, name):
        return self.folder / f"{name}.log"

    def faults(self):
        """What has gone wrong for good, in words."""
        told = [f"{name}: {fault}" for name, picture in self.pictures.items() for fault in picture.faults]
        ended = [f"{name} has ended: {self._log(name).read_text()[-2000:]}"
                 for name, process in self.processes.items() if process.poll() is not None]
        return told + ended + self.page.faults


def read(lines, picture):
    for line in lines:
        picture.tell(line)
