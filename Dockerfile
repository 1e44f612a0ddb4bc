# syntax=docker/dockerfile:1

# The files of GraphiQL.
FROM node:22-bookworm-slim AS ui
WORKDIR /ui
COPY ui/package.json ui/package-lock.json ui/.npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund

# The program. The caches outlive the layer, so that a change of the sources compiles no dependency again.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
COPY --from=ui /ui/node_modules ui/node_modules
ENV BROADSHEET_UI=graphiql
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked && cp target/release/broadsheet /usr/local/bin/broadsheet

# What runs: the program and the certificate authorities that `sslmode=verify-full` trusts.
FROM debian:bookworm-slim
# The newest authorities, whatever their version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home broadsheet
COPY --from=build /usr/local/bin/broadsheet /usr/local/bin/broadsheet
USER 10001
# Without a DATABASE_URL the SQLite file is made here: mount a volume to keep it.
WORKDIR /data
# On this address it does not start until TOKENS_FILE, JWT_JWKS or ANONYMOUS_WRITES says who may write.
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
# There is no HTTP client in the image, and bash needs none.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["bash", "-c", "exec 3<>\"/dev/tcp/127.0.0.1/${PORT:-8000}\" && printf 'GET /health/ready HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]
ENTRYPOINT ["broadsheet"]
