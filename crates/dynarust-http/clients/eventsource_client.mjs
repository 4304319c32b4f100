// Follows a live stream with the package `eventsource`, and prints what it is told, an event a line.
//
//     node eventsource_client.mjs URL
//
// It reconnects by itself.

import { EventSource } from "eventsource";

const source = new EventSource(process.argv[2]);
for (const name of ["message", "ready", "reset", "lagged", "closing"]) {
  source.addEventListener(name, ({ type, lastEventId, data }) => {
    console.log(JSON.stringify({ event: type, id: lastEventId, data }));
  });
}
source.addEventListener("error", ({ message }) => {
  console.error(`cut: ${message}`);
  if (source.readyState === source.CLOSED) process.exit(1);
});
