# What a developer types. `just` alone lists it.

_default:
    @just --list --unsorted

# Everything that a change must pass, as CI runs it.
check:
    .ci/run

# Mends what can be mended by machine: formatting, and clippy's own suggestions.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    cargo fmt --all

# The tests. Arguments select: just test readme
test *arguments:
    cargo test --workspace {{ arguments }}

# Fuzzes what comes from outside: each target, or those named, for so many seconds. See fuzz/README.md.
fuzz seconds="10" *targets:
    fuzz/run {{ seconds }} {{ targets }}

# A node on the usual address.
run *arguments:
    cargo run --release -- 127.0.0.1:6660 {{ arguments }}

# The API documentation of the crates, private items too.
doc:
    cargo doc --workspace --no-deps --document-private-items

# Whole clusters in one process, from seeds: just sim --seeds 1..1000
sim *arguments:
    cargo run --locked --profile sim -p dynarust-sim -- {{ arguments }}

# The seeds that docs/testing.md counts: some hours.
count:
    cargo run --locked --profile sim-count -p dynarust-sim -- --seeds 1..20001
    cargo run --locked --profile sim-count -p dynarust-sim -- --seeds 1..501 --form long

# Bugs put in on purpose, which the simulator must find: all, or those named. See docs/testing.md.
planted *bugs:
    crates/dynarust-sim/planted/run {{ bugs }}

# What has cost others data, done to real processes: each scenario lasts so many seconds.
hazards seconds="60":
    DYNARUST_HAZARDS_SECONDS={{ seconds }} cargo test --release -p dynarust --test it hazards:: -- --nocapture --test-threads 1

# The whole of the cluster's tests.
cluster seconds="300":
    DYNARUST_CLUSTER_SECONDS={{seconds}} DYNARUST_CLUSTER_ORDERS=6 cargo test --release -p dynarust --test it cluster:: -- --nocapture --test-threads 1

# Live streams whose readers hop from node to node while those are killed, stand still and are split.
fire seconds="300":
    DYNARUST_CLUSTER_SECONDS={{ seconds }} cargo test --release -p dynarust --test it cluster::fire -- --nocapture
