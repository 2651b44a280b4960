# The image of the connector: one static binary on a base without a shell.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=1.2.3 .
#
# The binary depends on the sources, VERSION and the Go release alone. For an image that is the same bit for bit, fix
# the layers' times too: SOURCE_DATE_EPOCH with BuildKit's rewrite-timestamp=true, or buildah's --timestamp.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=development
ENV CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
        -ldflags="-s -w -buildid= -X main.version=$VERSION" -o /out/connector ./cmd/connector \
    && mkdir /out/data \
    && touch -d @0 /out/connector /out/data

FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=development
LABEL org.opencontainers.image.title="auditlog-connector" \
      org.opencontainers.image.description="Exports OpenAI's organization audit log, each event once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /out/connector /connector
COPY --from=build --chown=65532:65532 /out/data /var/lib/connector
USER 65532:65532
WORKDIR /var/lib/connector
EXPOSE 9464
ENTRYPOINT ["/connector"]
CMD ["run"]
