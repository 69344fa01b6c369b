# The example application, built as for production.
FROM rust:1.95-slim-trixie AS build
# The TLS and SQLite of the drivers are C.
RUN apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p axum-users-example && cp target/release/axum-users-example /usr/local/bin/

FROM debian:trixie-slim
RUN useradd --system --user-group --uid 10001 app && install -d -o app -g app /data
COPY --from=build /usr/local/bin/axum-users-example /usr/local/bin/
USER app
# Where a SQLite file and a mailbox go if nothing else is set.
WORKDIR /data
ENV BIND=0.0.0.0:8000
EXPOSE 8000
ENTRYPOINT ["axum-users-example"]
