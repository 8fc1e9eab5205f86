#!/bin/sh
# Watch an endpoint that `tritext endpoint up` runs on this machine, with this machine's Prometheus, until Ctrl-C.
#
# Usage: deploy/monitoring/local.sh [ENDPOINT]    (default: the only one that runs)
# Environment: PROMETHEUS_PORT (default 9090, on loopback), SCRAPE_INTERVAL (default 5s)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
base=${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/tritext}
base=${base:-/tmp/tritext-$(id -u)}
if [ $# -gt 0 ]; then
  targets=$base/$1/targets.json
else
  set -- "$base"/*/targets.json
  [ $# -eq 1 ] || { echo "several endpoints run here: name one of $(ls "$base")" >&2; exit 2; }
  targets=$1
fi
[ -f "$targets" ] || { echo "$targets: no such file: start the endpoint first (tritext endpoint up)" >&2; exit 1; }
command -v prometheus >/dev/null || { echo "there is no prometheus: install Debian's package prometheus" >&2; exit 1; }

folder=$(mktemp -d)
prometheus=
stop() {
  [ -z "$prometheus" ] || kill "$prometheus" 2>/dev/null || true
  wait
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 0' INT TERM
cat >"$folder/prometheus.yml" <<END
global: {scrape_interval: ${SCRAPE_INTERVAL:-5s}, evaluation_interval: ${SCRAPE_INTERVAL:-5s}}
rule_files: ["$here/rules.yml", "$here/alerts.yml"]
scrape_configs:
  - job_name: tritext
    file_sd_configs: [{files: ["$targets"]}]
END
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" --log.level=warn \
  --web.listen-address="127.0.0.1:${PROMETHEUS_PORT:-9090}" &
prometheus=$!
echo "prometheus  http://127.0.0.1:${PROMETHEUS_PORT:-9090}"
wait "$prometheus"
