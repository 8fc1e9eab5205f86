#!/usr/bin/env bash
# Make, ask, watch, shift and remove the endpoint in Azure ML. Sign in first (`az login`, `az extension add --name ml`); the
# resource group must be there (`az group create`).
#
#   deploy/azure/endpoint.sh [--dry-run] [--rendered FOLDER] ACTION …
#
#   create                      network, storage, registry, workspace, roles, endpoint, deployments, traffic
#   invoke [DEPLOYMENT]         send standard input, such as {"text": "A lovely film."}; a deployment's name targets it
#   logs DEPLOYMENT             the last lines that its container wrote
#   shift blue=90 green=10      the traffic, in per cent;  shift --mirror green=10  copies requests
#   delete                      the endpoint with its deployments; what lies below them stays
#
# With --dry-run the commands are printed and none is run.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
rendered="$here/rendered"
dry=""

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

fail() {
    printf 'endpoint.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

# Say a command and run it; in a rehearsal it is all that is printed.
run() {
    if [ -n "$dry" ]; then
        printf '%q ' "$@"
        printf '\n'
    else
        printf '%q ' "$@" >&2
        printf '\n' >&2
        "$@"
    fi
}

# The rendered file is read, not run: a value may hold words and nothing that a shell would act on.
declare -A told
read_names() {
    [ -r "$rendered/names.env" ] || fail "$rendered/names.env is not there: run 'tritext endpoint render --target azure'"
    local name value
    while IFS='=' read -r name value; do
        [[ $name =~ ^[A-Z]+$ && $value =~ ^[A-Za-z0-9\ =._-]*$ ]] || fail "$rendered/names.env: $name is not understood"
        told[$name]=$value
    done <"$rendered/names.env"
    for name in SUBSCRIPTION GROUP WORKSPACE ENDPOINT MODELS DEPLOYMENTS TRAFFIC; do
        [ -n "${told[$name]:-}" ] || fail "$rendered/names.env lacks $name: render again"
    done
}

learning() { run az ml "$@" --subscription "${told[SUBSCRIPTION]}" --resource-group "${told[GROUP]}" \
    --workspace-name "${told[WORKSPACE]}"; }

infrastructure() { run az deployment group create --subscription "${told[SUBSCRIPTION]}" \
    --resource-group "${told[GROUP]}" "$@"; }

# What a run made before it was stopped is left as it is, so that `create` can be run again. Whatever else keeps az from
# answering, such as nobody being signed in, keeps it from creating too, and then it says so.
is_there() {
    [ -z "$dry" ] && learning "$1" show "${@:2}" --query name --output tsv >/dev/null 2>&1 || return 1
    printf 'endpoint.sh: %s %s is there: left as it is\n' "$1" "${*: -1}" >&2
}

create() {
    infrastructure --name tritext-infrastructure --template-file "$here/main.bicep" \
        --parameters "@$rendered/main.parameters.json"
    infrastructure --name tritext-roles --template-file "$rendered/roles.bicep"
    # The managed network is laid when it is first needed otherwise, which is in the middle of the first deployment.
    run az ml workspace provision-network --subscription "${told[SUBSCRIPTION]}" --resource-group "${told[GROUP]}" \
        --name "${told[WORKSPACE]}"
    is_there online-endpoint --name "${told[ENDPOINT]}" || learning online-endpoint create --file "$rendered/endpoint.yml"
    local name
    for name in ${told[DEPLOYMENTS]}; do
        is_there online-deployment --endpoint-name "${told[ENDPOINT]}" --name "$name" ||
            learning online-deployment create --file "$rendered/deployment-$name.yml"
    done
    # shellcheck disable=SC2086 # words of shares
    shift_traffic ${told[TRAFFIC]}
    # shellcheck disable=SC2086
    [ -z "${told[MIRROR]:-}" ] || shift_traffic --mirror ${told[MIRROR]}
}

shift_traffic() {
    local option=--traffic share total=0 shares=0
    if [ "${1:-}" = --mirror ]; then
        option=--mirror-traffic
        shift
    fi
    [ $# -gt 0 ] || fail "shift: give shares, such as blue=90 green=10" 2
    for share in "$@"; do
        [[ $share =~ ^[A-Za-z][A-Za-z0-9-]*=(0|[1-9][0-9]?|100)$ ]] || fail "shift: '$share' is not DEPLOYMENT=PERCENT" 2
        [[ " ${told[DEPLOYMENTS]} " == *" ${share%%=*} "* ]] || fail "shift: no deployment ${share%%=*}: there are ${told[DEPLOYMENTS]}" 2
        total=$((total + ${share#*=}))
        [ "${share#*=}" = 0 ] || shares=$((shares + 1))
    done
    if [ $option = --traffic ]; then
        [ $total = 100 ] || [ $total = 0 ] || fail "shift: the shares sum to $total: let them sum to 100, or to 0" 2
    else
        [ $total -le 50 ] && [ $shares -le 1 ] || fail "shift: mirror at most 50 per cent, to one deployment" 2
    fi
    learning online-endpoint update --name "${told[ENDPOINT]}" "$option" "$*"
}

# The key goes to curl by a descriptor: on a command line every user of this machine could read it.
invoke() {
    local target=() root key pair model=''
    [ $# -eq 0 ] || target=(--header "azureml-model-deployment: $1")
    for pair in ${told[MODELS]}; do # the first has most of the traffic
        if [ -z "$model" ] && [ "${1:-${pair%%=*}}" = "${pair%%=*}" ]; then model=${pair#*=}; fi
    done
    [ -n "$model" ] || fail "invoke: no deployment $1: there are ${told[DEPLOYMENTS]}" 2
    if [ -n "$dry" ]; then
        learning online-endpoint show --name "${told[ENDPOINT]}" --query scoring_uri --output tsv
        learning online-endpoint get-credentials --name "${told[ENDPOINT]}" --query primaryKey --output tsv
        run curl --data @- "${target[@]}" "SCORING_URI/v2/models/$model/generate"
        return
    fi
    root="$(learning online-endpoint show --name "${told[ENDPOINT]}" --query scoring_uri --output tsv)"
    key="$(learning online-endpoint get-credentials --name "${told[ENDPOINT]}" --query primaryKey --output tsv)"
    [[ $root == https://* && -n $key ]] || fail "${told[ENDPOINT]} has no address or key yet: see 'az ml online-endpoint show'"
    curl --silent --show-error --fail-with-body --max-time 60 --data @- --header 'Content-Type: application/json' \
        --header @<(printf 'Authorization: Bearer %s\n' "$key") "${target[@]}" \
        "${root%/}/v2/models/$model/generate"
}

logs() {
    [ $# -eq 1 ] || fail "logs: name one of ${told[DEPLOYMENTS]}" 2
    learning online-deployment get-logs --endpoint-name "${told[ENDPOINT]}" --name "$1" --lines 200
}

delete() { learning online-endpoint delete --name "${told[ENDPOINT]}" --yes; }

while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) dry=1 ;;
        --rendered) [ $# -gt 1 ] || fail "--rendered: name a folder" 2; rendered=$2; shift ;;
        --help | -h) usage; exit 0 ;;
        *) break ;;
    esac
    shift
done
action="${1:-}"
[ $# -eq 0 ] || shift
rest=()
for word in "$@"; do
    if [ "$word" = --dry-run ]; then dry=1; else rest+=("$word"); fi
done
case $action in
    create | invoke | logs | shift | delete)
        read_names
        [ "$action" != shift ] || action=shift_traffic
        "$action" "${rest[@]}"
        ;;
    "") usage >&2; exit 2 ;;
    *) fail "no action '$action': there are create, invoke, logs, shift and delete" 2 ;;
esac
