#!/bin/bash
# Run Envoy as the container's process 1, and end it in order. On SIGTERM Envoy by itself drops what it is answering;
# here clients are told to go elsewhere first, the listeners close after --drain-time-s, and requests under way end.
#
# Usage: start-envoy.sh [ENVOY'S ARGUMENTS]
# shellcheck disable=SC2329
set -u

listener=/dev/tcp/127.0.0.1/9903 # leads to the three pages of Envoy's administration that are asked here
most=8                           # seconds: `docker stop` kills after ten
close=4                          # seconds until the listeners are closed for certain: --drain-time-s is 3
stopping=

say() { # METHOD PATH: ask on the one connection, which outlives its listener
  printf '%s %s HTTP/1.1\r\nHost: drain\r\nContent-Length: 0\r\n\r\n' "$1" "$2" >&3
}

hear() { # PATTERN: read up to a line of this form
  local line
  while IFS= read -r -t 2 line <&3; do
    [[ $line =~ $1 ]] && return 0 # said, since a bare `return` in a trap gives the status from before it
  done
  return 1
}

drain() {
  local deadline=$((SECONDS + most)) closed=$((SECONDS + close)) # before that, a moment without requests says nothing
  { exec 3<>"$listener"; } 2>/dev/null || return 1 # it is not yet up
  say POST /healthcheck/fail && hear '^OK' || return 1
  say POST '/drain_listeners?graceful' && hear '^OK' || return 1
  while [ "$SECONDS" -lt "$deadline" ]; do
    say GET '/stats?filter=^http.edge.downstream_rq_active$' && hear 'active: ([0-9]+)' || return 1
    [ "${BASH_REMATCH[1]}" = 0 ] && [ "$SECONDS" -ge "$closed" ] && return 0
    sleep 0.1
  done
}

stop() {
  trap '' TERM INT # the second one changes nothing
  stopping=yes
  drain
  kill -TERM "$envoy"
}

trap stop TERM INT
/usr/local/bin/envoy "$@" &
envoy=$!
wait "$envoy"
status=$?
if [ -n "$stopping" ]; then # the signal ended that wait, not Envoy
  wait "$envoy"
  status=$?
fi
exit "$status"
