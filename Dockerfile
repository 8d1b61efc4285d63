# OpenRunner in a container: docs/operating.md says how to run it.
#
#   docker build -t openrunner .                    the server and nothing else
#   docker build -t openrunner --target agents .    with Claude Code, Codex and OpenCode at the versions that this release is tested with

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --release --bin openrunner

# What both images have in common. git is what agents look at projects with, and what checks a provider's certificate is needed by all.
FROM debian:bookworm-slim AS base
# Debian's own versions of the day, with their security fixes, and not those of the day when this was written.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home --shell /bin/bash openrunner \
    && install --directory --owner=openrunner --group=openrunner --mode=0700 /data \
    && install --directory --owner=openrunner --group=openrunner /work
COPY --from=build /src/target/release/openrunner /usr/local/bin/openrunner
COPY packaging/docker/entrypoint.sh /usr/local/bin/openrunner-entrypoint
# Every network of the container: what of it can be reached is said when the container is run. When the container goes, so does everything in
# it, hence runs are ended and not left to the next server.
ENV OPENRUNNER_ADDR=0.0.0.0:3000 \
    OPENRUNNER_DATA_DIR=/data \
    OPENRUNNER_WORKSPACE_ROOTS=/work \
    OPENRUNNER_ON_SHUTDOWN=stop
WORKDIR /work
VOLUME ["/data", "/work"]
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["openrunner", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["openrunner-entrypoint"]
CMD ["serve"]

FROM base AS agents
COPY scripts/agents.versions scripts/install-agents.sh /tmp/scripts/
# Two of the three are programs for node.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/* \
    && /tmp/scripts/install-agents.sh --prefix /opt/agents \
    && rm -rf /tmp/scripts "$HOME/.npm"
ENV OPENRUNNER_AGENTS_DIR=/opt/agents
USER 1000

# The last stage is what is built without a word.
FROM base AS server
USER 1000
