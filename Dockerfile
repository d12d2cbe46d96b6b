# The ledger. Without DATABASE_URL it runs a PostgreSQL of its own, in the volume.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/lending
RUN /opt/lending/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY lending ./lending
COPY projections ./projections
COPY schema ./schema
RUN /opt/lending/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/lending lending
COPY --from=build /opt/lending /opt/lending
ENV PATH=/opt/lending/bin:$PATH
ENV LENDING_DATA_DIR=/var/lib/lending/data
ENV LENDING_LOG_FORMAT=json
USER lending
WORKDIR /var/lib/lending
VOLUME /var/lib/lending
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["lending", "serve"]
