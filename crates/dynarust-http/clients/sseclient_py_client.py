"""Follows a live stream with sseclient-py over requests, and prints what it is told, an event a line.

    sseclient_py_client.py URL

sseclient-py reads one answer to its end: `follow` asks for the next, behind the last id.
"""

import json
import sys
import time

import requests
import sseclient

#: To connect, and to wait for what comes next: the node breaks a silence after 15 s.
TIMEOUT_SECONDS = (5, 40)
#: sseclient-py shows no `retry:` that has no data with it, as each stream begins with.
RETRY_MILLIS = 2000


def follow(url):
    last_event_id, retry_millis = "", RETRY_MILLIS
    while True:
        headers = {"Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        try:
            with requests.get(url, stream=True, headers=headers, timeout=TIMEOUT_SECONDS) as answer:
                answer.raise_for_status()
                for event in sseclient.SSEClient(answer).events():
                    last_event_id = event.id
                    retry_millis = int(event.retry or RETRY_MILLIS)
                    yield event
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as cut:
            print(f"cut: {cut!r}", file=sys.stderr)
        time.sleep(retry_millis / 1000)


for event in follow(sys.argv[1]):
    told = {"event": event.event, "id": event.id, "data": event.data}
    print(json.dumps(told), flush=True)
