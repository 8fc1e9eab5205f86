#!/bin/sh
# Pull images that push.sh recorded: those, byte for byte, or none.
#
#   deploy/registry/pull.sh --record FILE --user NAME --token FILE [options] [cpu] [gpu]
#
#   --record FILE   what push.sh wrote: the repository and the digests
#   --user NAME     whose token it is; one that may only read is enough
#   --token FILE    holds the token; - for standard input. It is never on a command line
#   --ca FOLDER     holds ca.crt, where the registry's certificate is of your own
#   --into FOLDER   an OCI layout, instead of docker's images
#   --moved         pull what was recorded although its tag stands for another image by now
#
# Without names it is whatever the record holds. A digest is of the content, so that what the registry, or whoever sits in
# between, has changed is refused.
set -eu

fail() {
    echo "pull.sh: $1" >&2
    exit 1
}

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '/^set /d'; }
[ $# -gt 0 ] || {
    usage >&2
    exit 2
}

here=$(dirname "$0")
record='' user='' token='' ca='' into='' moved=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --moved)
            moved=1
            shift
            ;;
        --record | --user | --token | --ca | --into)
            [ $# -ge 2 ] || fail "$1: say which"
            case $1 in
                --record) record=$2 ;;
                --user) user=$2 ;;
                --token) token=$2 ;;
                --ca) ca=$2 ;;
                --into) into=$2 ;;
            esac
            shift 2
            ;;
        cpu | gpu) break ;;
        *) fail "$1: not an option or an image: see --help" ;;
    esac
done
[ -n "$record" ] || fail "--record: say which file push.sh wrote"
[ -f "$record" ] || fail "$record: is not there: push.sh writes it, and --record names it"
[ -r "$record" ] || fail "$record: cannot be read: give a file that this user can read"
# shellcheck disable=SC2046 # a word each
[ $# -gt 0 ] || set -- $(cut -d' ' -f1 "$record")
repository=$(sed -n '1s/^[a-z]* \(.*\)@sha256:[0-9a-f]\{64\}$/\1/p' "$record")
[ -n "$repository" ] || fail "$record: not what push.sh writes: \`cpu HOST/NAME@sha256:…\` in a line"
# shellcheck source=deploy/registry/login.sh
. "$here/login.sh"

for image; do
    reference=$(sed -n "s/^$image \(.*@sha256:[0-9a-f]\{64\}\)\$/\1/p" "$record")
    [ -n "$reference" ] || fail "$record: holds no $image"
    # shellcheck disable=SC2086 # nothing, or an option and its value
    now=$(skopeo inspect --authfile "$private/auth.json" ${ca:+--cert-dir "$ca"} --format '{{.Digest}}' \
        "docker://$repository:$image") || fail "$repository:$image: cannot be read: see above"
    if [ "$now" != "${reference#*@}" ] && [ -z "$moved" ]; then
        fail "$repository:$image is $now by now, recorded was ${reference#*@}: somebody pushed over it. --moved pulls what was recorded"
    fi
    if [ -n "$into" ]; then
        target=oci:$into:$image
    else
        target=docker-daemon:tritext:$image
    fi
    # shellcheck disable=SC2086
    skopeo copy --authfile "$private/auth.json" ${ca:+--src-cert-dir "$ca"} --quiet \
        "docker://$reference" "$target" || fail "$reference: not pulled: see above"
    echo "pulled   $reference"
done
