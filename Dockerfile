# Spindle as a small image: no shell, no package manager, not root. Data in /data.
FROM node:20-bookworm-slim AS build
WORKDIR /build
# What .dockerignore lets in: the sources and how they are built.
COPY . .
RUN npm ci --ignore-scripts && npm run build && npm prune --omit=dev --ignore-scripts && mkdir /data

FROM gcr.io/distroless/nodejs20-debian12:nonroot
LABEL org.opencontainers.image.title="Spindle" \
      org.opencontainers.image.description="Durable queues for SQS, SNS and AMQP clients" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /app
COPY --from=build /build/package.json ./package.json
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
# Nobody but its user reads what is queued.
COPY --from=build --chown=65532:65532 --chmod=700 /data /data
ENV NODE_ENV=production SPINDLE_DATA=/data SPINDLE_HOST=0.0.0.0
VOLUME /data
EXPOSE 4566 5672
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
  CMD ["/nodejs/bin/node", "/app/dist/cli/main.js", "health"]
ENTRYPOINT ["/nodejs/bin/node", "/app/dist/cli/main.js"]
CMD ["serve"]
