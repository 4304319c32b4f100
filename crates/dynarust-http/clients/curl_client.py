"""Follows a live stream with curl, and prints what it is told, an event a line.

    curl_client.py header|parameter URL

curl follows until it is cut and has no resume of its own: the next curl goes on behind the last id.
"""

import json
import signal
import subprocess
import sys
import time

#: curl's exit codes: the stream ended, the node was not reached, the stream was cut (18, 52, 56).
#: Not among them: 22, an answer that is no success.
EXPECTED = {0, 7, 18, 52, 56}


def curl(url, last_event_id, place):
    words = ["curl", "--silent", "--show-error", "--fail", "--no-buffer"]
    if last_event_id and place == "header":
        words += ["--header", f"Last-Event-ID: {last_event_id}"]
    if last_event_id and place == "parameter":
        url += f"?last_event_id={last_event_id}"
    with subprocess.Popen([*words, url], stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            yield from process.stdout
            if process.wait() not in EXPECTED:
                raise SystemExit(f"curl ended with {process.returncode}")
        finally:
            process.kill()


def blocks(lines):
    """What stands between blank lines: field by field. One that was cut is dropped."""
    block = {}
    for line in lines:
        field, _, value = line.rstrip("\n").partition(": ")
        if field == "":
            yield block
            block = {}
        elif field in block:
            block[field] += "\n" + value
        else:
            block[field] = value


def follow(place, url):
    last_event_id, retry_millis = "", 0
    while True:
        for block in blocks(curl(url, last_event_id, place)):
            last_event_id = block.get("id", last_event_id)
            retry_millis = int(block.get("retry", retry_millis))
            if "data" in block:
                yield block
        time.sleep(retry_millis / 1000)


# An orderly end, so that curl ends too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
for event in follow(*sys.argv[1:]):
    told = {"event": event.get("event", "message"), "id": event["id"], "data": event["data"]}
    print(json.dumps(told), flush=True)
