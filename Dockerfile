# The operator. Without a network the wheels lie beside this file and PIP_OPTIONS is --no-index.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
FROM ${BASE}
ARG PIP_OPTIONS=""
COPY constraints.txt wheels* /tmp/wheels/
COPY pyproject.toml README.md LICENSE /src/
COPY operator /src/operator
RUN python3 -m pip install --no-cache-dir --break-system-packages ${PIP_OPTIONS} \
    --find-links /tmp/wheels -c /tmp/wheels/constraints.txt /src
# kopf asks for the name of its user, and neither this number nor the one that OpenShift chooses has
# one: without it no watch would ever stand.
ENV USER=model-rollouts
USER 65532:65532
ENTRYPOINT ["model-rollouts"]
