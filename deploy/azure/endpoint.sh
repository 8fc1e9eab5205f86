#!/usr/bin/env bash
# Make, ask, watch, shift and remove the endpoint in Azure ML. Sign in first (`az login`, `az extension add --name ml`); the
# resource group must be there (`az group create`).
#
#   deploy/azure/endpoint.sh [--dry-run] [--rendered FOLDER] ACTION …
#
#   create                      network, storage, registry, workspace, roles, endpoint, deployments, traffic. It stops
#                               where the registry lacks the image, and can be run again after any stop: what is there
#                               is left as it is
#   invoke [DEPLOYMENT]         send standard input, such as {"text": "A lovely film."}; a deployment's name targets it
#   logs DEPLOYMENT             the last lines that its container wrote
#   shift blue=90 green=10      the traffic, in per cent;  shift --mirror green=10  copies requests
#   delete                      the endpoint with its deployments; what lies below them stays
#
# With --dry-run the commands are printed and none is run.
set -euo pipefail
shopt -s inherit_errexit

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
rendered="$here/rendered"
dry=""
# Seconds between two looks at what Azure still works at, and how many there are: an hour of them.
pause=${TRITEXT_PAUSE:-15} looks=240

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

fail() {
    printf 'endpoint.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

# What is done, what was begun, and by what it was ended.
finished=() stage='' ended=''
begin() {
    [ -z "$stage" ] || finished+=("$stage")
    stage=$1
}

everything() { echo "az group delete --subscription ${told[SUBSCRIPTION]} --name ${told[GROUP]}"; }

# Whatever ends the script early, somebody has to know what is there now.
leave() {
    local status=$?
    [ $status != 0 ] && [ -n "$stage" ] || return 0
    {
        printf 'endpoint.sh: stopped at %s (%s)\n' "$stage" "${ended:-status $status}"
        [ -z "$ended" ] || echo "  still     Azure may go on with it: 'create' and 'delete' wait for that"
        if [ "$action" = create ]; then
            printf '  done      %s\n' "${finished[@]:-nothing}"
            case $stage in deployment*) echo "  look      $0 logs ${stage#deployment }" ;; esac
            case $stage in endpoint* | deployment* | traffic) echo "  undo      $0 delete" ;; esac
            echo "  undo all  $(everything)"
        fi
        echo "  go on     $0 ${said% }"
    } >&2
}
trap leave EXIT
trap 'ended="interrupted"; exit 130' INT
trap 'ended="told to end"; exit 143' TERM

# Say a command and run it; in a rehearsal it is all that is printed.
run() {
    local words
    printf -v words '%q ' "$@"
    if [ -n "$dry" ]; then
        echo "${words% }"
    else
        [ -n "${quiet:-}" ] || echo "${words% }" >&2
        "$@"
    fi
}

# The rendered file is read, not run: a value may hold words and nothing that a shell would act on.
declare -A told
read_names() {
    [ -r "$rendered/names.env" ] || fail "$rendered/names.env is not there: run 'tritext endpoint render --target azure'"
    local name value
    while IFS='=' read -r name value; do
        [[ $name =~ ^[A-Z]+$ && $value =~ ^[A-Za-z0-9\ =._:/@-]*$ ]] || fail "$rendered/names.env: $name is not understood"
        told[$name]=$value
    done <"$rendered/names.env"
    for name in SUBSCRIPTION GROUP WORKSPACE ENDPOINT REGISTRY IMAGE MODEL DEPLOYMENTS TRAFFIC; do
        [ -n "${told[$name]:-}" ] || fail "$rendered/names.env lacks $name: render again"
    done
}

learning() { run az ml "$@" --subscription "${told[SUBSCRIPTION]}" --resource-group "${told[GROUP]}" \
    --workspace-name "${told[WORKSPACE]}"; }

infrastructure() { run az deployment group create --subscription "${told[SUBSCRIPTION]}" \
    --resource-group "${told[GROUP]}" "$@"; }

# Print in which state something is, once Azure has done with it: nothing where it is not there. It is looked for in a
# list, since that fails only where az cannot tell, such as where nobody is signed in.
state() { # KIND NAME OPTIONS…
    local now before='' look quiet=1
    [ -z "$dry" ] || return 0
    for ((look = 0; look < looks; look++)); do
        now="$(learning "$1" list "${@:3}" --query "[?name=='$2'].provisioning_state" --output tsv)"
        case $now in
            Creating | Updating | Deleting | Scaling | Provisioning) ;;
            *) printf '%s' "$now"; return ;;
        esac
        [ "$now" = "$before" ] || printf 'endpoint.sh: %s %s: waiting, since Azure is still at it (%s)\n' "$1" "$2" "$now" >&2
        before=$now
        sleep "$pause"
    done
    fail "$1 $2 is $now after $looks looks: see 'az ml $1 show'"
}

# Make something, unless an earlier run did. One that failed is made again, which Azure takes for a change of it.
make() { # KIND NAME FILE OPTIONS…
    local now
    now="$(state "$1" "$2" "${@:4}")"
    if [ "$now" = Succeeded ]; then
        printf 'endpoint.sh: %s %s is there: left as it is\n' "$1" "$2" >&2
    else
        [ -z "$now" ] || printf 'endpoint.sh: %s %s is there and %s: made again\n' "$1" "$2" "$now" >&2
        learning "$1" create --file "$3"
    fi
}

# The registry is made by the first run, so that the first image comes between that and the next.
no_image() {
    fail "the registry shows no ${told[IMAGE]}: push it ('az acr login --name ${told[REGISTRY]}', then 'docker push \
${told[REGISTRY],,}.azurecr.io/${told[IMAGE]}'), or run this from where the registry can be reached"
}

create() {
    local name shares=0 mirror=()
    begin "network, storage, registry and workspace"
    infrastructure --name tritext-infrastructure --template-file "$here/main.bicep" \
        --parameters "@$rendered/main.parameters.json"
    begin "roles"
    infrastructure --name tritext-roles --template-file "$rendered/roles.bicep"
    begin "image ${told[IMAGE]}"
    run az acr repository show --subscription "${told[SUBSCRIPTION]}" --name "${told[REGISTRY]}" \
        --image "${told[IMAGE]}" --output none || no_image
    # The managed network is laid when it is first needed otherwise, which is in the middle of the first deployment.
    begin "managed network"
    run az ml workspace provision-network --subscription "${told[SUBSCRIPTION]}" --resource-group "${told[GROUP]}" \
        --name "${told[WORKSPACE]}"
    begin "endpoint ${told[ENDPOINT]}"
    make online-endpoint "${told[ENDPOINT]}" "$rendered/endpoint.yml"
    for name in ${told[DEPLOYMENTS]}; do
        begin "deployment $name"
        make online-deployment "$name" "$rendered/deployment-$name.yml" --endpoint-name "${told[ENDPOINT]}"
    done
    # Whoever has shifted traffic since does not want it back where it was.
    begin "traffic"
    # shellcheck disable=SC2016 # JMESPath's own quotes
    [ -n "$dry" ] || shares="$(learning online-endpoint show --name "${told[ENDPOINT]}" \
        --query 'sum(values(traffic || `{}`))' --output tsv)"
    if [[ $shares =~ ^0?(\.0)?$ ]]; then
        [ -z "${told[MIRROR]:-}" ] || mirror=(--mirror-traffic "${told[MIRROR]}")
        learning online-endpoint update --name "${told[ENDPOINT]}" --traffic "${told[TRAFFIC]}" "${mirror[@]}"
    else
        printf 'endpoint.sh: there is traffic already: left as it is; shift changes it\n' >&2
    fi
}

shift_traffic() {
    local option=--traffic share total=0 shares=0 named=' '
    if [ "${1:-}" = --mirror ]; then
        option=--mirror-traffic
        shift
    fi
    [ $# -gt 0 ] || fail "shift: give shares, such as blue=90 green=10" 2
    for share in "$@"; do
        [[ $share =~ ^[A-Za-z][A-Za-z0-9-]*=(0|[1-9][0-9]?|100)$ ]] || fail "shift: '$share' is not DEPLOYMENT=PERCENT" 2
        [[ " ${told[DEPLOYMENTS]} " == *" ${share%%=*} "* ]] || fail "shift: no deployment ${share%%=*}: there are ${told[DEPLOYMENTS]}" 2
        [[ $named != *" ${share%%=*} "* ]] || fail "shift: ${share%%=*} stands twice: give it one share" 2
        named+="${share%%=*} "
        total=$((total + ${share#*=}))
        [ "${share#*=}" = 0 ] || shares=$((shares + 1))
    done
    if [ $option = --traffic ]; then
        [ $total = 100 ] || [ $total = 0 ] || fail "shift: the shares sum to $total: let them sum to 100, or to 0" 2
    else
        [ $total -le 50 ] && [ $shares -le 1 ] || fail "shift: mirror at most 50 per cent, to one deployment" 2
    fi
    begin "traffic, which is as it was or as it was to be: see 'az ml online-endpoint show'"
    learning online-endpoint update --name "${told[ENDPOINT]}" "$option" "$*"
}

# The key goes to curl by a descriptor: on a command line every user of this machine could read it.
invoke() {
    local target=() root key text model=${told[MODEL]}
    if [ $# -gt 0 ]; then
        known invoke "$@"
        target=(--header "azureml-model-deployment: $1")
    fi
    if [ -n "$dry" ]; then
        learning online-endpoint show --name "${told[ENDPOINT]}" --query scoring_uri --output tsv
        learning online-endpoint get-credentials --name "${told[ENDPOINT]}" --query primaryKey --output tsv
        run curl --data @- "${target[@]}" "SCORING_URI/v2/models/$model/generate"
        return
    fi
    text="$(cat)"
    [ -n "$text" ] || fail "invoke: standard input is empty: echo '{\"text\": \"A lovely film.\"}' | endpoint.sh invoke" 2
    root="$(learning online-endpoint show --name "${told[ENDPOINT]}" --query scoring_uri --output tsv)"
    key="$(learning online-endpoint get-credentials --name "${told[ENDPOINT]}" --query primaryKey --output tsv)"
    [[ $root == https://* && -n $key ]] || fail "${told[ENDPOINT]} has no address or key yet: see 'az ml online-endpoint show'"
    curl --silent --show-error --fail-with-body --max-time 60 --data @- --header 'Content-Type: application/json' \
        --header @<(printf 'Authorization: Bearer %s\n' "$key") "${target[@]}" \
        "${root%/}/v2/models/$model/generate" <<<"$text" ||
        fail "${told[ENDPOINT]} refused or did not answer: 'endpoint.sh logs ${1:-${told[DEPLOYMENTS]%% *}}' shows its side"
}

# One name of a deployment.
known() { # ACTION NAME
    [ $# -eq 2 ] || fail "$1: name one of ${told[DEPLOYMENTS]}" 2
    [[ " ${told[DEPLOYMENTS]} " == *" $2 "* ]] || fail "$1: no deployment $2: there are ${told[DEPLOYMENTS]}" 2
}

logs() {
    known logs "$@"
    learning online-deployment get-logs --endpoint-name "${told[ENDPOINT]}" --name "$1" --lines 200
}

delete() {
    local now
    begin "endpoint ${told[ENDPOINT]}, which is there or half gone"
    now="$(state online-endpoint "${told[ENDPOINT]}")"
    if [ -n "$dry$now" ]; then
        learning online-endpoint delete --name "${told[ENDPOINT]}" --yes
    else
        printf 'endpoint.sh: there is no endpoint %s: nothing to delete\n' "${told[ENDPOINT]}" >&2
    fi
    printf "endpoint.sh: what lies below it stays, and costs: '%s' removes all\\n" "$(everything)" >&2
}

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
said="$action ${rest[*]}"
[ "$rendered" = "$here/rendered" ] || said="--rendered $rendered $said"
case $action in
    create | invoke | logs | shift | delete) ;;
    "") usage >&2; exit 2 ;;
    *) fail "no action '$action': there are create, invoke, logs, shift and delete" 2 ;;
esac
read_names
if [ -z "$dry" ]; then
    command -v az >/dev/null || fail "there is no az: install the Azure CLI, then 'az extension add --name ml' and 'az login'"
    [ "$action" != invoke ] || command -v curl >/dev/null || fail "there is no curl: install it (Debian: apt-get install curl)"
fi
case $action in
    shift) shift_traffic "${rest[@]}" ;;
    create | delete) [ ${#rest[@]} = 0 ] || fail "$action: '${rest[0]}' is not understood" 2; "$action" ;;
    *) "$action" "${rest[@]}" ;;
esac
