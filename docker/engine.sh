# shellcheck shell=bash
# An engine to try the image on, for docker/check and docker/box, which source this.
#
# It is the engine that runs. Where none does, root starts Debian's dockerd with all that is its own in a
# temporary folder, and ends it by its id. Where a base image is neither there nor to be had, a stand-in of
# the same name is made (docker/stand-in). Where nothing can be tried at all, the exit code is 3. Whatever was
# made or started here goes again at the end, but for dynarust:latest on an engine that was there before.

PATH="$PATH:/usr/sbin:/sbin"

work="$(mktemp -d)"
mine="dynarust-$$"             # every container, volume and network of this run begins so
engine=""                      # the id of our dockerd
bridge_was_there=false
stand_ins=()
build_flags=()
bridged=true                   # whether containers have a network of their own

headline() { printf '\n== %s  [%d s]\n' "$1" "$SECONDS"; }
fail() { printf '!! %s\n' "$1" >&2; exit 1; }
# Nothing can be tried here: another code than that of a failure.
no_engine() { printf '!! NOT TRIED: %s\n' "$1" >&2; exit 3; }

# Waits until the command that follows succeeds; the first word says what for.
await() {
  local what="$1" until=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || fail "waited 60 s in vain for: $what"
    sleep 0.1
  done
}

# Those of this run, by name.
ours() { docker "$1" ls --quiet --filter "name=^/?$mine" "${@:2}"; }

clean_up() {
  local code=$? left
  trap - EXIT
  if docker version >/dev/null 2>&1; then
    for left in $(ours container --all); do
      [ "$code" = 0 ] || docker logs --tail 20 "$left" >&2 || true
      docker rm --force --volumes "$left" >/dev/null || true
    done
    for left in $(ours volume); do docker volume rm --force "$left" >/dev/null || true; done
    for left in $(ours network); do docker network rm "$left" >/dev/null || true; done
    for left in ${stand_ins[@]+"${stand_ins[@]}"}; do docker rmi --force "$left" >/dev/null || true; done
  fi
  end_engine
  rm -rf --one-file-system "$work"
  [ "$code" = 0 ] || [ "$code" = 3 ] || printf '!! FAILED (exit code %d)\n' "$code" >&2
  exit "$code"
}

begin_engine() {
  trap clean_up EXIT
  trap 'exit 143' INT TERM
  headline "engine"
  command -v docker >/dev/null || no_engine "docker is not installed (Debian: docker.io)"
  if docker version >/dev/null 2>&1; then
    echo "the one that runs"
    return
  fi
  [ "$(id -u)" = 0 ] || no_engine "no engine runs that this user can reach, and only root can start one"
  command -v dockerd >/dev/null || no_engine "no engine runs, and dockerd is not installed (Debian: docker.io)"
  [ ! -e /sys/class/net/docker0 ] || bridge_was_there=true
  export DOCKER_HOST="unix://$work/docker.sock"
  # Its packet filter stays out of the machine's; so what runs in a build has the machine's network.
  build_flags=(--network=host)
  if ! start_engine --iptables=false --ip6tables=false; then
    bridged=false
    start_engine --iptables=false --ip6tables=false --bridge=none ||
      { tail -n 20 "$work/dockerd.log" >&2; no_engine "dockerd does not start"; }
  fi
  echo "dockerd $(docker version --format '{{.Server.Version}}'), started here"
}

start_engine() {
  dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" \
    --pidfile "$work/docker.pid" "$@" >"$work/dockerd.log" 2>&1 &
  engine=$!
  local until=$((SECONDS + 60))
  while [ "$SECONDS" -lt "$until" ]; do
    if docker version >/dev/null 2>&1; then return 0; fi
    if ! kill -0 "$engine" 2>/dev/null; then break; fi
    sleep 0.2
  done
  end_engine
  return 1
}

end_engine() {
  [ -n "$engine" ] || return 0
  kill -TERM "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
  engine=""
  umount "$work"/exec/netns/* 2>/dev/null || true
  if [ "$bridge_was_there" = false ] && [ -e /sys/class/net/docker0 ]; then
    ip link delete docker0 || true
  fi
}

have_base_images() {
  headline "base images"
  local image
  for image in debian:bookworm-slim rust:1-bookworm; do
    if docker image inspect "$image" >/dev/null 2>&1; then
      echo "$image is there"
    elif timeout 600 docker pull --quiet "$image" 2>"$work/pull.log"; then
      echo "$image was pulled"
    else
      echo "$image cannot be pulled: a stand-in is made of Debian's packages and this machine's Rust"
      docker/stand-in "$image" || no_engine "$image cannot be had"
      stand_ins+=("$image")
    fi
  done
}

build_image() {
  headline "docker build -t dynarust:latest ."
  docker build ${build_flags[@]+"${build_flags[@]}"} -t dynarust:latest . >"$work/build.log" 2>&1 ||
    { tail -n 40 "$work/build.log" >&2; fail "the image does not build"; }
  docker image inspect --format \
    'user {{.Config.User}}, folder {{.Config.WorkingDir}}, volumes {{json .Config.Volumes}}, {{.Size}} bytes' \
    dynarust:latest
}

# Starts a node in a container of this name, on the volume or folder, with what else `docker run` is told.
run_node() {
  local name="$1" data="$2" port
  shift 2
  if [ "$bridged" = true ]; then
    docker run -d --name "$name" -p 127.0.0.1::6660 -v "$data:/app" "$@" dynarust:latest 0.0.0.0:6660
  else
    port=$((20000 + RANDOM % 10000))
    docker run -d --name "$name" --network=host -v "$data:/app" "$@" dynarust:latest "0.0.0.0:$port"
  fi >/dev/null
  await "a node that is well in $name" docker exec "$name" DynaRust health
}

# Where the node of this container is reached from here.
address_of() {
  if [ "$bridged" = true ]; then
    docker port "$1" 6660/tcp | head -n 1
  else
    docker exec "$1" DynaRust health | cut -d ' ' -f 1
  fi
}
