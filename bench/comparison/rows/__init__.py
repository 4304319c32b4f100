"""The rows of the table, by name. Each is a function of a `Run` that yields findings, under `ROWS` by default,
under `ON_REQUEST` only where it is named, since it takes long."""

from comparison.rows import cluster, rates, sizes, streams

ROWS = {
    "put": rates.put,
    "put-paced": rates.put_paced,
    "relaxed": rates.relaxed,
    "etcd": rates.etcd,
    "get": rates.get,
    "get-paced": rates.get_paced,
    "memory": sizes.memory,
    "ready": sizes.ready,
    "live": streams.live,
    "stream-memory": streams.memory,
    "stream-kinds": streams.kinds,
    "fan-out": streams.fan_out,
    "idle": streams.idle,
    "writers": streams.writers,
    "resume": streams.resume,
    "cluster": cluster.cluster,
    "cluster-live": cluster.live,
    "cluster-join": cluster.join,
    "cluster-back": cluster.back,
    "cluster-killed": cluster.killed,
}
ON_REQUEST = {
    "memory-million": sizes.memory_million,
    "ready-10-million": sizes.ready_ten_million,
}
