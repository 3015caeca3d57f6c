# Alewife as a static binary and nothing else.
#
#   docker build -t alewife .
#   docker run --read-only -v "$PWD/alewife:/etc/alewife:ro" -p 8080:8080 alewife
#
# For processors of 2013 and newer only: docker build --build-arg TARGET_CPU=x86-64-v3 -t alewife .
#
# The directory holds config.toml and the key file, readable by user 65532. In a container `listen` must name
# an address that is reached from outside it, such as "0.0.0.0:8080".

FROM rust:1.95-alpine AS build
# Headers and start-up objects of the C library: linking needs them, and so do crates with parts in C. One of these, the
# cryptography of TLS, asks for the kernel's headers as well.
RUN apk add --no-cache linux-headers musl-dev
WORKDIR /build

# Which processors it is for: nothing stands for all of the architecture. On one that lacks something it says so and ends.
ARG TARGET_CPU=""
ENV RUSTFLAGS="${TARGET_CPU:+-C target-cpu=$TARGET_CPU}"

# The dependencies alone, around empty sources: a layer that holds until the lock file changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin alewife \
    && rm -r src

COPY . .
# cargo goes by the time of a file, and the checkout may be older than the empty sources were.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin alewife

FROM scratch
# The commit that it was built from, for example --build-arg REVISION="$(git rev-parse HEAD)".
ARG REVISION=""
LABEL org.opencontainers.image.title="alewife" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.description="A reverse-proxy sidecar that gives an unmodified application application-level encryption" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT"
COPY --from=build /build/target/release/alewife /alewife
# By number: Kubernetes' runAsNonRoot cannot judge a name, and there is no /etc/passwd here.
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s CMD ["/alewife", "healthcheck"]
ENTRYPOINT ["/alewife"]
CMD ["run", "--config", "/etc/alewife/config.toml"]
