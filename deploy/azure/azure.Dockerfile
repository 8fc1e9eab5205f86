# The image for Azure ML: the GPU image, which also runs without a GPU, told where Azure mounts a model. Build it from the
# top folder, after the GPU image:
#   docker build -f deploy/azure/azure.Dockerfile -t filmregistry.azurecr.io/tritext:0.9.0 .
ARG TRITEXT_IMAGE=tritext:gpu

FROM ${TRITEXT_IMAGE}
USER 0:0
COPY deploy/azure/start-azure.sh /opt/tritext/start-azure.sh
# Azure mounts below a model's name and version, and Triton is told /models: start-azure.sh makes the two meet.
RUN chmod 0755 /opt/tritext/start-azure.sh && ln -s /tmp/models /models
USER 1000:1000
# What follows the script is what the GPU image starts.
CMD ["/opt/tritext/start-azure.sh", "python3", "-P", "-m", "tritext_serve.endpoint.watch.image", "--", "/opt/tritext/start-triton.sh"]
