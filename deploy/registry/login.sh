# Sourced by push.sh and pull.sh with the images' names as "$@": logs in as $user at the registry of $repository with the
# token in $token, leaving the credentials in $private/auth.json, a folder for this user alone that goes when the script
# ends.
# shellcheck shell=sh disable=SC2154
for image; do
    case $image in
        cpu | gpu) ;;
        *) fail "$image: the images are cpu and gpu" ;;
    esac
done
command -v skopeo >/dev/null || fail "there is no skopeo: install it (Debian: apt-get install skopeo)"
case $repository in
    */*@* | *://*) fail "$repository: write HOST/NAME, without a tag, digest or scheme" ;;
    */*) ;;
    *) fail "--repository: write HOST/NAME" ;;
esac
case ${repository#*/} in
    *:*) fail "$repository: write HOST/NAME, without a tag" ;;
esac
[ -n "$user" ] || fail "--user: say whose token it is"
[ -n "$token" ] || fail "--token: say which file holds it, or - for standard input"
[ -z "$ca" ] || [ -f "$ca/ca.crt" ] || fail "$ca: holds no ca.crt"

umask 077
private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ "$token" = - ]; then
    cat >"$private/token"
else
    { [ -r "$token" ] && [ ! -d "$token" ]; } || fail "$token: cannot be read: name the file that holds the token"
    cat "$token" >"$private/token"
fi
[ -s "$private/token" ] || fail "$token: the token is empty"
skopeo login --username "$user" --password-stdin --authfile "$private/auth.json" ${ca:+--cert-dir "$ca"} \
    "${repository%%/*}" <"$private/token" >"$private/said" 2>&1 || {
    cat "$private/said" >&2
    fail "${repository%%/*} does not take this user and token: is it for this registry, and not expired?"
}
rm "$private/token"
