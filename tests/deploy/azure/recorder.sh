#!/bin/bash
# Stands for az and curl: writes down how it is called, and answers what endpoint.sh asks for.
#
#   THERE   what there is, and the states that it goes through: online-deployment/blue=Creating+Succeeded, or Gone
#   SHARES  the sum of the endpoint's traffic
#   FAIL    a pattern of calls that are refused; HANG: of calls that are not answered in time
{
    printf '%s' "${0##*/}"
    for word in "$@"; do printf '\t%s' "$word"; done
    printf '\n'
} >>"$CALLS"
call="${0##*/} $*"
# shellcheck disable=SC2053 # patterns
[[ -z "${FAIL:-}" || $call != *${FAIL}* ]] || { echo "ERROR: (AuthorizationFailed) no right to do this" >&2; exit 3; }
if [[ -n "${HANG:-}" && $call == *${HANG}* ]]; then
    : >"$CALLS.hangs"
    sleep 30
fi
case $call in
    az*scoring_uri*) echo "https://sentiment.westeurope.inference.ml.azure.com/" ;;
    az*" list "*provisioning_state*)
        name=${call#*name==\'} name=${name%%\'*}
        for thing in ${THERE:-}; do
            [ "${thing%%=*}" = "$2/$name" ] || continue
            IFS=+ read -ra states <<<"${thing#*=}"
            seen=$(grep -c "list.*name=='$name'" "$CALLS")
            state=${states[seen <= ${#states[@]} ? seen - 1 : -1]}
            [ "$state" = Gone ] || echo "$state"
        done
        ;;
    az*"sum(values"*) echo "${SHARES:-0}" ;;
    az*get-credentials*) echo "$KEY" ;;
    curl*)
        # The header file that curl was given, and what it was to send.
        for word in "$@"; do
            case $word in @/dev/fd/* | @/proc/*) cat "${word#@}" >>"$HEADERS" ;; esac
        done
        cat
        ;;
esac
