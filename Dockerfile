# A node in a container (README.md, "In a container"):
#
#   docker build -t dynarust:latest .
#   docker run -d -p 6660:6660 -v data:/app dynarust:latest 0.0.0.0:6660
#
# No builder's extensions are used, so the old builder and BuildKit both take it. docker/check tries it.

# What the build of the dependencies depends on, and nothing else: the manifests, over empty sources.
FROM rust:1-bookworm AS manifests
WORKDIR /source
COPY . .
RUN find . -type f ! -name 'Cargo.*' ! -name main.rs ! -name lib.rs -delete \
 && find . -type d -empty -delete \
 && find . -name '*.rs' -exec sh -c 'printf "//! Empty.\nfn main() { }\n" > "$1"' sh {} \;

FROM rust:1-bookworm AS build
# No debug information, which is most of a program's size; names of functions stay for a backtrace.
ENV CARGO_PROFILE_RELEASE_DEBUG=none CARGO_PROFILE_RELEASE_STRIP=debuginfo
WORKDIR /source
# A layer that stays while no manifest changes: all that comes from others.
COPY --from=manifests /source .
RUN cargo build --release --locked --package dynarust
COPY . .
# The sources are older than what was built of the empty ones.
RUN find crates -name '*.rs' -exec touch {} + \
 && cargo build --release --locked --package dynarust

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="DynaRust" \
      org.opencontainers.image.description="A store of JSON records over HTTP that pushes every change" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# A new volume takes over the owner of /app.
RUN groupadd --system --gid 6660 dynarust \
 && useradd --system --uid 6660 --gid dynarust --home-dir /app --no-create-home dynarust \
 && install --directory --owner=dynarust --group=dynarust /app
COPY --from=build /source/target/release/DynaRust /usr/local/bin/DynaRust
USER 6660:6660
WORKDIR /app
VOLUME /app
EXPOSE 6660
# A start after a crash reads the journal first; a failed answer within the first minute does not count.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["DynaRust", "health"]
ENTRYPOINT ["DynaRust"]
CMD ["0.0.0.0:6660"]
