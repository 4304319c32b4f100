"""The rows of the table, by name. Each is a function of a `Run` that yields findings."""

from comparison.rows import rates

ROWS = {
    "put": (rates.put, "durable overwrites against Redis SET with fsync always"),
    "get": (rates.get, "hot reads against Redis GET and bare hyper"),
}
