# The operator; with `--target observer` the observer, with `--target notifications` what sends
# messages. Without a network the wheels lie beside this
# file and PIP_OPTIONS is --no-index; they are copied in the stage that removes them, or they would stay
# in a layer of it.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

# An image of its own: its libraries are large, and the operator needs none of them.
FROM ${BASE} AS observer
ARG PIP_OPTIONS=""
COPY constraints.txt wheels* /tmp/wheels/
COPY pyproject.toml README.md LICENSE /src/
COPY operator /src/operator
RUN python3 -m pip install --no-cache-dir --break-system-packages ${PIP_OPTIONS} \
    --find-links /tmp/wheels -c /tmp/wheels/constraints.txt '/src[observer]' \
    && rm -r /tmp/wheels /src
USER 65532:65532
ENTRYPOINT ["model-rollouts"]

# What sends messages has the network of its targets, and libraries that the operator needs not.
FROM ${BASE} AS notifications
ARG PIP_OPTIONS=""
COPY constraints.txt wheels* /tmp/wheels/
COPY pyproject.toml README.md LICENSE /src/
COPY operator /src/operator
RUN python3 -m pip install --no-cache-dir --break-system-packages ${PIP_OPTIONS} \
    --find-links /tmp/wheels -c /tmp/wheels/constraints.txt '/src[notifications]' \
    && rm -r /tmp/wheels /src
# As below, for kopf.
ENV USER=model-rollouts
USER 65532:65532
ENTRYPOINT ["model-rollouts"]

FROM ${BASE} AS operator
ARG PIP_OPTIONS=""
COPY constraints.txt wheels* /tmp/wheels/
COPY pyproject.toml README.md LICENSE /src/
COPY operator /src/operator
RUN python3 -m pip install --no-cache-dir --break-system-packages ${PIP_OPTIONS} \
    --find-links /tmp/wheels -c /tmp/wheels/constraints.txt /src \
    && rm -r /tmp/wheels /src
# kopf asks for the name of its user, and neither this number nor the one that OpenShift chooses has
# one: without it no watch would ever stand.
ENV USER=model-rollouts
USER 65532:65532
ENTRYPOINT ["model-rollouts"]
