#!/bin/sh
# Start Triton in the GPU image with the flags of its own guide for secure deployment. Arguments are added at the end.
#
# Outsiders get inference, health, metadata and metrics. Every API that can change or inspect the server wants a header
# whose value is made here and told to nobody, which closes it for as long as this container lives.
set -eu

closed=shared-memory,model-config,model-repository,statistics,trace,logging
lock=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')

# In a container loopback reaches nobody, so the server listens on every address inside and the ports are published on
# the host's loopback alone.
exec tritonserver \
    --model-repository=/models \
    --model-control-mode=none \
    --disable-auto-complete-config \
    --strict-readiness=true \
    --exit-on-error=true \
    --exit-timeout-secs=20 \
    --http-address=0.0.0.0 \
    --grpc-address=0.0.0.0 \
    --metrics-address=0.0.0.0 \
    --http-max-input-size=1048576 \
    --http-restricted-api="$closed:tritext-lock=$lock" \
    --grpc-restricted-protocol="$closed:tritext-lock=$lock" \
    --allow-sagemaker=false \
    --allow-vertex-ai=false \
    --trace-config=level=OFF \
    "$@"
