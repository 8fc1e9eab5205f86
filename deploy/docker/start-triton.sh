#!/bin/sh
# Start Triton in the GPU image with the flags of its own guide for secure deployment. Arguments are added at the end.
#
# First comes the question that `tritext serve` asks too: is what Triton will load what was certified? If not, the
# reasons are printed and nothing starts; TRITEXT_ALLOW_UNCERTIFIED=1 turns them into warnings.
#
# Outsiders get inference, health, metadata and metrics. Every API that can change or inspect the server wants a header
# whose value is made here and told to nobody, which closes it for as long as this container lives.
set -eu

allow=
case ${TRITEXT_ALLOW_UNCERTIFIED:-} in
    "" | 0) ;;
    1) allow=--allow-uncertified ;;
    *)
        echo "tritext: TRITEXT_ALLOW_UNCERTIFIED is '$TRITEXT_ALLOW_UNCERTIFIED': 1 allows, 0 or nothing refuses" >&2
        exit 1
        ;;
esac
python3 -P -m tritext_serve.triton_image ${allow:+"$allow"} --model-repository=/models "$@"

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
    --exit-timeout-secs=5 \
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
