# Container images for OpenRunner. Usage is described in docs/operating.md.
#
#   docker build -t openrunner .                    the server only
#   docker build -t openrunner --target agents .    with the tested versions of Claude Code, Codex and OpenCode

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --bin openrunner

# Base of both images. Agents use git to inspect projects; CA certificates are required for HTTPS; bubblewrap isolates agents from the
# server where the container may create namespaces.
FROM debian:bookworm-slim AS base
# Unpinned, so that each build gets Debian's current versions with security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap ca-certificates git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home --shell /bin/bash openrunner \
    && install --directory --owner=openrunner --group=openrunner --mode=0700 /data \
    && install --directory --owner=openrunner --group=openrunner /work
COPY --from=build /src/target/dist/openrunner /usr/local/bin/openrunner
COPY packaging/docker/entrypoint.sh /usr/local/bin/openrunner-entrypoint
# Listens on all interfaces; published ports are chosen when the container is started. Stopping the container kills all processes in it, so
# runs are stopped instead of left for the next server.
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
# npm installs the agents; two of the three are Node.js programs.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nodejs npm \
    && rm -rf /var/lib/apt/lists/* \
    && /tmp/scripts/install-agents.sh --prefix /opt/agents \
    && rm -rf /tmp/scripts "$HOME/.npm"
ENV OPENRUNNER_AGENTS_DIR=/opt/agents
USER 1000

# The last stage is the default target.
FROM base AS server
USER 1000
