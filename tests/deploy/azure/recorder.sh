#!/bin/sh
# Stands for az and curl: writes down how it is called, and answers what endpoint.sh asks for.
{
    printf '%s' "${0##*/}"
    for word in "$@"; do printf '\t%s' "$word"; done
    printf '\n'
} >>"$CALLS"
case "${0##*/} $*" in
    az*scoring_uri*) echo "https://sentiment.westeurope.inference.ml.azure.com/" ;;
    az*" show "*"--query name "*)
        # Whether it is there: THERE lists what is, such as online-deployment/blue.
        name='' before=''
        for word in "$@"; do
            [ "$before" != --name ] || name=$word
            before=$word
        done
        case " ${THERE:-} " in *" $2/$name "*) echo "$name" ;; *) exit 3 ;; esac
        ;;
    az*get-credentials*) echo "$KEY" ;;
    curl*)
        # The header file that curl was given, and what it was to send.
        for word in "$@"; do
            case $word in @/dev/fd/* | @/proc/*) cat "${word#@}" >>"$HEADERS" ;; esac
        done
        cat
        ;;
    az*delete*) [ -z "${FAIL:-}" ] || exit 3 ;;
esac
