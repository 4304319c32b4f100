"""Three nodes on this machine beside one: they share its processor, so only ratios say anything."""

import http.client
import json
import os
import time

from comparison import loads, peers
from comparison.processes import ComparisonError, answers_200, free_port
from comparison.rows.rates import latencies, rates
from comparison.table import Finding

NODES = 3
TOGETHER_PATIENCE_SECONDS = 30


def cluster(run):
    """Durable writes and hot reads through one of three nodes, against a node alone."""
    alone, nodes = run.filled_node(place="alone"), together(run)
    run.load_program(nodes[0], "load", "--records", run.records, "--connections", 64, "--durability", "relaxed")
    for connections in run.connections or (32,):
        ours, one = run.in_turns(
            lambda: loads.wrk(nodes[0], "put.lua", [run.records, "sync"], connections, run.seconds),
            lambda: loads.wrk(alone, "put.lua", [run.records, "sync"], connections, run.seconds))
        yield Finding(f"three nodes: durable PUT/s, {connections} connections", rates(ours), asked=0.3,
                      peer="one node", peers=rates(one), note=latencies(ours))
    for connections in run.connections or (16,):
        at_one, by_default, one = run.in_turns(
            lambda: loads.wrk(nodes[0], "get.lua", [run.records, "?consistency=one"], connections, run.seconds),
            lambda: loads.wrk(nodes[0], "get.lua", [run.records], connections, run.seconds),
            lambda: loads.wrk(alone, "get.lua", [run.records], connections, run.seconds))
        yield Finding(f"three nodes: GET/s at `one`, {connections} connections", rates(at_one), asked=0.85,
                      peer="one node", peers=rates(one), note=latencies(at_one))
        yield Finding(f"three nodes: GET/s by default, {connections} connections", rates(by_default), asked=0.35,
                      peer="one node", peers=rates(one), note=latencies(by_default))


def together(run):
    """Nodes that are one cluster, each of which serves all that it is to own."""
    os.environ["CLUSTER_SECRET"] = "a secret of the comparison"
    try:
        first = run.node(place="node-1")
        others = [peers.node(run.bench, run.binary, first.address, place=f"node-{number + 1}", port=free_port())
                  for number in range(1, NODES)]
    finally:
        del os.environ["CLUSTER_SECRET"]
    deadline = time.monotonic() + TOGETHER_PATIENCE_SECONDS
    nodes = [first, *others]
    while not all(active(node) == NODES for node in nodes):
        if time.monotonic() > deadline:
            raise ComparisonError("the nodes do not come together")
        time.sleep(0.05)
    return nodes


def active(node):
    if not answers_200(node.port, "/readyz"):
        return 0
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=5)
    try:
        connection.request("GET", "/membership")
        return json.load(connection.getresponse())["active_count"]
    finally:
        connection.close()
