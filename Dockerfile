# syntax=docker/dockerfile:1

# The watch page's player.
FROM node:20-bookworm-slim AS player
WORKDIR /player
COPY playback/player/package.json playback/player/package-lock.json ./
RUN npm ci --no-audit --no-fund

# The binary.
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        pkg-config clang libclang-dev \
        libavutil-dev libavcodec-dev libavformat-dev libavfilter-dev libswscale-dev libswresample-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /headgate
COPY . .
COPY --from=player /player/node_modules playback/player/node_modules
RUN cargo build --release --locked --package headgate && strip target/release/headgate

# What runs: no compiler, no headers. Debian's FFmpeg libraries are GPL builds (see README.md).
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates \
        libavutil57 libavcodec59 libavformat59 libavfilter8 libswscale6 libswresample4 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/headgate --create-home \
        --shell /usr/sbin/nologin headgate
COPY --from=build /headgate/target/release/headgate /usr/local/bin/headgate
COPY --from=build /headgate/scripts/healthcheck /usr/local/bin/headgate-healthcheck
COPY README.md LICENSE-MIT LICENSE-APACHE /usr/share/doc/headgate/
USER headgate
ENV HEADGATE_DATA_DIR=/var/lib/headgate
VOLUME /var/lib/headgate
# Publishers and viewers, plain and over TLS. The admin listener stays on the container's loopback.
EXPOSE 1935 1936 8080 8443 8189/udp 8189
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["headgate-healthcheck"]
ENTRYPOINT ["headgate"]
CMD ["serve"]
