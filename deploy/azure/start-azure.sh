#!/bin/sh
# Find the model repository that Azure mounted, and start what this image starts otherwise.
#
# Azure mounts a model below its name and version, and a folder that was uploaded keeps its own name below that. Triton
# is told /models by the image, which is a link to LINK here; LINK is made to lead to the repository.
set -eu

LINK=${TRITEXT_LINK:-/tmp/models}
mounted=${TRITEXT_MODELS:-${AZUREML_MODEL_DIR:-}}
if [ -z "$mounted" ]; then
    echo "tritext: neither TRITEXT_MODELS nor AZUREML_MODEL_DIR says where the model is mounted" >&2
    exit 1
fi

# A repository is a folder of folders with a configuration each.
is_repository() {
    for configuration in "$1"/*/config.pbtxt; do
        [ -f "$configuration" ] && return 0
    done
    return 1
}

found=
for candidate in "$mounted" "$mounted"/*/; do
    candidate=${candidate%/}
    if is_repository "$candidate"; then
        if [ -n "$found" ]; then
            echo "tritext: $mounted holds two repositories, $found and $candidate: give the deployment one" >&2
            exit 1
        fi
        found=$candidate
    fi
done
if [ -z "$found" ]; then
    echo "tritext: $mounted holds no model repository: no */config.pbtxt, there or a folder below" >&2
    exit 1
fi
ln -sfn "$found" "$LINK"
exec "$@"
