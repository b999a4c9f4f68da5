FROM rust:1-bookworm AS build
WORKDIR /src
# The dependencies first, with empty sources: a change of the sources does not build them again.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir src && echo 'fn main() {}' >src/main.rs && touch src/lib.rs && cargo build --release --locked
COPY . .
# cargo goes by file times, and the copied files may be older than the empty ones.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked && mkdir data

# Distroless: glibc, libgcc and CA certificates, without shell or package manager, so there is little to patch or abuse.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/jeton /usr/local/bin/jeton
# Where the default database, sqlite://jeton.db, and jeton.toml lie; mount a volume here to keep them.
COPY --from=build --chown=65532:65532 /src/data /var/lib/jeton
WORKDIR /var/lib/jeton
USER 65532:65532
ENV JETON_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["jeton", "health"]
ENTRYPOINT ["jeton"]
CMD ["serve"]
