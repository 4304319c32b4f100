"""How each contender is started. Redis, webdis, etcd and nginx are Debian's, with their defaults but where it says."""

import json
import os
import shutil
import subprocess

from comparison.processes import ComparisonError, answers_200, free_port, listens

PACKAGES = {
    "redis-server": "redis-server",
    "redis-benchmark": "redis-tools",
    "webdis": "webdis",
    "etcd": "etcd-server",
    "nginx": "nginx",
    "wrk": "wrk",
}
NCHAN = "/usr/lib/nginx/modules/ngx_nchan_module.so"
POLICY = "/usr/sbin/policy-rc.d"


def install():
    """Debian's packages, where they are missing; their services are not started."""
    missing = {package for tool, package in PACKAGES.items() if not shutil.which(tool)}
    if not os.path.exists(NCHAN):
        missing.add("libnginx-mod-nchan")
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ComparisonError(f"these Debian packages are missing: {' '.join(sorted(missing))}")
    print("installing", *sorted(missing), flush=True)
    forbid = not os.path.exists(POLICY)
    try:
        if forbid:
            with open(POLICY, "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as policy:
                policy.write("#!/bin/sh\nexit 101\n")
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], check=True, env=environment, stdout=subprocess.DEVNULL)
        subprocess.run(["apt-get", "install", "-yq", "--no-install-recommends", *sorted(missing)],
                       check=True, env=environment, stdout=subprocess.DEVNULL)
    finally:
        if forbid:
            os.unlink(POLICY)


def node(bench, binary, *flags, place="dynarust", port=None, wait=True):
    port = port or free_port()
    folder = [] if "--data-dir" in flags else ["--data-dir", "."]
    command = [binary, f"127.0.0.1:{port}", *folder, "--log-filter", "warn", *flags]
    ready = (lambda: answers_200(port, "/readyz")) if wait else (lambda: True)
    return bench.start("DynaRust", command, port, ready, place)


def bare_hyper(bench, program, records):
    port = free_port()
    return bench.start("bare hyper", [program, f"127.0.0.1:{port}", records], port,
                       lambda: listens(port), "bare-hyper")


def redis(bench, fsync):
    """An append-only file, synced as `fsync` says; no snapshots, which would be a second copy."""
    port = free_port()
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", ".", "--save", "",
               "--appendonly", "yes", "--appendfsync", fsync]
    return bench.start(f"Redis, fsync {fsync}", command, port, lambda: listens(port), f"redis-{fsync}")


def webdis(bench, redis_server):
    port = free_port()
    settings = {
        "redis_host": "127.0.0.1", "redis_port": redis_server.port, "http_host": "127.0.0.1",
        "http_port": port, "threads": 2, "daemonize": False, "database": 0,
        "acl": [], "verbosity": 1, "logfile": "webdis.log",
    }
    (bench.place("webdis") / "webdis.json").write_text(json.dumps(settings))
    return bench.start("webdis over Redis", ["webdis", "webdis.json"], port,
                       lambda: answers_200(port, "/PING"), "webdis")


def etcd(bench):
    port, peers = free_port(), free_port()
    command = ["etcd", "--data-dir", "data", "--listen-client-urls", f"http://127.0.0.1:{port}",
               "--advertise-client-urls", f"http://127.0.0.1:{port}",
               "--listen-peer-urls", f"http://127.0.0.1:{peers}",
               "--initial-advertise-peer-urls", f"http://127.0.0.1:{peers}",
               "--initial-cluster", f"default=http://127.0.0.1:{peers}"]
    return bench.start("etcd, JSON gateway", command, port, lambda: answers_200(port, "/health"), "etcd")


def nchan(bench):
    """nginx with nchan, in memory: a channel an id, published by POST, followed as an event stream."""
    port = free_port()
    settings = f"""
load_module {NCHAN};
daemon off; pid nginx.pid; error_log stderr warn; worker_processes auto;
worker_rlimit_nofile 20000; user root;
events {{ worker_connections 18000; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  nchan_shared_memory_size 512M;
  server {{
    listen 127.0.0.1:{port};
    location = /livez {{ return 200; }}
    location ~ /pub/(.+)$ {{ nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 10; }}
    location ~ /sub/(.+)$ {{ nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest; }}
  }}
}}
"""
    (bench.place("nchan") / "nginx.conf").write_text(settings)
    return bench.start("nginx and nchan", ["nginx", "-p", bench.place("nchan"), "-c", "nginx.conf"], port,
                       lambda: answers_200(port, "/livez"), "nchan")


def versions():
    """What the peers call themselves."""
    commands = {
        "Redis": ["redis-server", "--version"], "etcd": ["etcd", "--version"],
        "nginx": ["nginx", "-v"], "wrk": ["wrk", "-v"],
        "webdis": ["dpkg-query", "-W", "-f", "${Version}", "webdis"],
        "nchan": ["dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"],
    }
    said = {}
    for name, command in commands.items():
        try:
            output = subprocess.run(command, capture_output=True, text=True, timeout=10)
            said[name] = (output.stdout + output.stderr).strip().splitlines()[0]
        except (OSError, IndexError, subprocess.TimeoutExpired):
            said[name] = "not here"
    return said
