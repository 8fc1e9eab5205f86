#!/bin/sh
# Push the images and record which ones they were.
#
#   deploy/registry/push.sh --repository HOST/NAME --user NAME --token FILE [options] [cpu] [gpu]
#
#   --repository HOST/NAME   where to; the images' tags there are cpu and gpu
#   --user NAME              whose token it is
#   --token FILE             holds the token; - for standard input. It is never on a command line
#   --record FILE            gets a line for each image, `cpu HOST/NAME@sha256:…` (default: images.txt)
#   --pin FOLDER             gets a kustomize component that replaces deploy/k8s' tags by these digests
#   --ca FOLDER              holds ca.crt, where the registry's certificate is of your own
#   --from FOLDER            an OCI layout with the tags cpu and gpu, instead of building by docker
#
# Without names it is both images.
set -eu

fail() {
    echo "push.sh: $1" >&2
    exit 1
}

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '/^set /d'; }
[ $# -gt 0 ] || {
    usage >&2
    exit 2
}

here=$(dirname "$0")
repository='' user='' token='' record=images.txt pin='' ca='' from=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --repository | --user | --token | --record | --pin | --ca | --from)
            [ $# -ge 2 ] || fail "$1: say which"
            case $1 in
                --repository) repository=$2 ;;
                --user) user=$2 ;;
                --token) token=$2 ;;
                --record) record=$2 ;;
                --pin) pin=$2 ;;
                --ca) ca=$2 ;;
                --from) from=$2 ;;
            esac
            shift 2
            ;;
        cpu | gpu) break ;;
        *) fail "$1: not an option or an image: see --help" ;;
    esac
done
[ $# -gt 0 ] || set -- cpu gpu
# What is pushed and not recorded, nobody finds again.
{ [ -d "$(dirname "$record")" ] && [ -w "$(dirname "$record")" ] && [ ! -d "$record" ]; } ||
    fail "$record: cannot be written there: name another file with --record"
# shellcheck source=deploy/registry/login.sh
. "$here/login.sh"

: >"$private/record"
for image; do
    if [ -n "$from" ]; then
        source=oci:$from:$image
    else
        docker build --file "$here/../docker/$image.Dockerfile" --tag "tritext:$image" "$here/../.."
        source=docker-daemon:tritext:$image
    fi
    echo "pushing  $repository:$image"
    # shellcheck disable=SC2086 # nothing, or an option and its value
    skopeo copy --authfile "$private/auth.json" ${ca:+--dest-cert-dir "$ca"} --digestfile "$private/digest" --quiet \
        "$source" "docker://$repository:$image" || fail "$repository:$image: not pushed: see above"
    echo "$image $repository@$(cat "$private/digest")" >>"$private/record"
done
cat "$private/record"

put() { # the file in one step, so that nobody reads half of it
    cp "$1" "$2.new"
    mv "$2.new" "$2"
}
put "$private/record" "$record"

if [ -n "$pin" ]; then
    mkdir -p "$pin"
    {
        echo "# Written by deploy/registry/push.sh. Name it first among an overlay's components."
        echo "apiVersion: kustomize.config.k8s.io/v1alpha1"
        echo "kind: Component"
        echo "images:"
        # The fetcher is the CPU image. It serves, too, where the GPU image was not pushed beside it.
        case " $* " in
            *" gpu "*) of_cpu=tritext-fetch ;;
            *) of_cpu='tritext-fetch tritext' ;;
        esac
        while read -r image reference; do
            names=tritext
            [ "$image" = gpu ] || names=$of_cpu
            for name in $names; do
                echo "  - {name: $name, newName: $repository, digest: ${reference#*@}}"
            done
        done <"$private/record"
    } >"$private/pin"
    put "$private/pin" "$pin/kustomization.yaml"
fi
