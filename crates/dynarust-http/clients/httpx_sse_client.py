"""Follows a live stream with httpx-sse, and prints what it is told, an event a line.

    httpx_sse_client.py URL

httpx-sse does not reconnect: `follow` does, in the manner of its README.
"""

import json
import sys
import time

import httpx
from httpx_sse import connect_sse

#: The node breaks a silence after 15 s; httpx by itself gives up after 5.
TIMEOUT = httpx.Timeout(5, read=40)


def follow(client, url):
    last_event_id, retry_millis = "", 0
    while True:
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        try:
            with connect_sse(client, "GET", url, headers=headers) as source:
                source.response.raise_for_status()
                for event in source.iter_sse():
                    # Each stream begins with a `retry:` alone, whose id is empty here: the README's
                    # `= sse.id` would forget the last one until the next event.
                    last_event_id = event.id or last_event_id
                    if event.retry is not None:
                        retry_millis = event.retry
                    if event.data:
                        yield event
        except httpx.TransportError as cut:
            print(f"cut: {cut!r}", file=sys.stderr)
        time.sleep(retry_millis / 1000)


with httpx.Client(timeout=TIMEOUT) as client:
    for event in follow(client, sys.argv[1]):
        told = {"event": event.event, "id": event.id, "data": event.data}
        print(json.dumps(told), flush=True)
