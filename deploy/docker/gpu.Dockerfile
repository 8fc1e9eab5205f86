# The GPU image: Triton's own image and our front's backend. Build it from the top folder:
#   docker build -f deploy/docker/gpu.Dockerfile -t tritext:gpu .
# Our Python stand-in for the onnxruntime backend stays out: this image has Triton's own in C++, which wins anyway.
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:26.09-py3
# Where pip runs. A site that needs its own CA or package index gives a base that knows them; no layer of it is kept.
ARG BUILD_IMAGE=${TRITON_IMAGE}

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
# Without dependencies: numpy is in Triton's image, and the front needs nothing else but the tokenizer. What the start
# script asks of the repository needs protobuf and, of tritonclient, Triton's own description of a configuration; the
# watcher needs psutil and prometheus-client.
RUN python3 -m pip install --no-cache-dir --no-deps --target /opt/tritext/packages -c constraints.txt \
        prometheus-client protobuf psutil tokenizers tritonclient . \
    && chmod 0755 deploy/docker/start-triton.sh

FROM ${TRITON_IMAGE}
COPY --from=build /opt/tritext/packages /opt/tritext/packages
COPY --from=build /src/deploy/docker/start-triton.sh /opt/tritext/start-triton.sh
COPY --from=build /src/serve/tritext_serve/backends/tritext /opt/tritonserver/backends/tritext
ENV PYTHONPATH=/opt/tritext/packages \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A new volume takes its owner from the folder that it is mounted on.
RUN install -d -o 1000 -g 1000 /var/cache/tritext
WORKDIR /tmp
# The image's own user triton-server, by number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8000 8001 8002 8003
STOPSIGNAL SIGTERM
# The image's entry point stays: it checks the driver, then becomes this, which starts the script and watches Triton.
CMD ["python3", "-P", "-m", "tritext_serve.endpoint.watch.image", "--", "/opt/tritext/start-triton.sh"]
