FROM rust:1-bookworm AS build
WORKDIR /src
# Build the dependencies first, with empty sources, so that a change to the sources does not rebuild them.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir src && echo 'fn main() {}' >src/main.rs && touch src/lib.rs && cargo build --profile dist --locked
COPY . .
# Cargo compares file times, and the copied files may be older than the empty ones.
RUN touch src/main.rs src/lib.rs && cargo build --profile dist --locked && mkdir data

# Distroless: glibc, libgcc and CA certificates, but no shell or package manager. That leaves little to patch or abuse.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/jeton /usr/local/bin/jeton
# Holds the default database, sqlite://jeton.db, and jeton.toml. Mount a volume here to keep them.
COPY --from=build --chown=65532:65532 /src/data /var/lib/jeton
WORKDIR /var/lib/jeton
USER 65532:65532
ENV JETON_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["jeton", "health"]
ENTRYPOINT ["jeton"]
CMD ["serve"]
