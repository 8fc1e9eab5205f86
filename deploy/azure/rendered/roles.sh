#!/usr/bin/env bash
# Who may do what. Rendered by `tritext endpoint render --target azure`: change cloud.yml and render again.
# Whatever is there already is compared, and made anew only where it differs.
set -euo pipefail
shopt -s inherit_errexit
group=/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films

# Make one of our own roles, or bring it to what stands here, and print its id.
define() { # NAME DEFINITION
    local verb=create there
    there="$(az role definition list --custom-role-only true --scope "$group" --name "$1" \
        --query '[].name' --output tsv)"
    [ -z "$there" ] || verb=update
    az role definition "$verb" --role-definition "$2" --query name --output tsv
}

# Azure leaves an assignment that is there as it is, whatever condition is asked for: one with another condition goes.
give() { # IDENTITY ROLE SCOPE DESCRIPTION CONDITION
    local assignee mine there condition narrowed=()
    assignee="$(az identity show --ids "$1" --query principalId --output tsv)"
    mine="[?principalId=='$assignee' && ends_with(roleDefinitionId, '$2') && scope=='$3']"
    there="$(az role assignment list --scope "$3" --query "$mine.id" --output tsv)"
    if [ -n "$there" ]; then
        condition="$(az role assignment list --scope "$3" --query "$mine.condition | [0]" --output tsv)"
        [ "$condition" != "$5" ] || return 0
        az role assignment delete --ids "$there"
    fi
    [ -z "$5" ] || narrowed=(--condition-version 2.0 --condition "$5")
    az role assignment create --assignee-object-id "$assignee" --assignee-principal-type ServicePrincipal \
        --role "$2" --scope "$3" --description "$4" "${narrowed[@]}"
}

reader="$(define 'tritext reader of filmmodels' '{
 "Name": "tritext reader of filmmodels",
 "IsCustom": true,
 "Description": "Reads and lists blobs.",
 "Actions": [],
 "NotActions": [],
 "DataActions": [
  "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
 ],
 "NotDataActions": [],
 "AssignableScopes": [
  "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films"
 ]
}')"

writer="$(define 'tritext writer of filmmodels' '{
 "Name": "tritext writer of filmmodels",
 "IsCustom": true,
 "Description": "Reads, lists, writes and deletes blobs, and cannot touch what holds them.",
 "Actions": [],
 "NotActions": [],
 "DataActions": [
  "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
  "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
  "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
  "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete"
 ],
 "NotDataActions": [],
 "AssignableScopes": [
  "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films"
 ]
}')"

# AcrPull
condition=''
give /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-endpoint 7f951dda-4ed3-4680-a7ca-43fe172d538d \
    /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ContainerRegistry/registries/filmregistry 'The deployments pull their image.' "$condition"

# Storage Blob Data Reader
condition="$(cat <<'END'
(
 (
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND NOT SubOperationMatches{'Blob.List'})
 )
 OR
 (
  @Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringStartsWith 'azureml'
 )
)
AND
(
 (
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND SubOperationMatches{'Blob.List'})
 )
 OR
 (
  @Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringStartsWith 'azureml'
 )
)
END
)"
give /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-endpoint 2a2b9908-6ea1-4ae2-8e65-a410df84e7d1 \
    /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/filmmodels 'The deployments mount their model, which the workspace keeps in containers that it names itself.' "$condition"

# AcrPull
condition=''
give /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-job 7f951dda-4ed3-4680-a7ca-43fe172d538d \
    /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ContainerRegistry/registries/filmregistry 'Jobs run in the same image.' "$condition"

# tritext reader of filmmodels
condition="$(cat <<'END'
(
 (
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND NOT SubOperationMatches{'Blob.List'})
 )
 OR
 (
  @Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'reviews'
  AND
  @Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringStartsWith 'input/'
 )
)
AND
(
 (
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND SubOperationMatches{'Blob.List'})
 )
 OR
 (
  @Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'reviews'
  AND
  @Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:prefix] StringStartsWith 'input/'
 )
)
END
)"
give /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-job "$reader" \
    /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/filmmodels/blobServices/default/containers/reviews 'Jobs read and list reviews/input/ and nothing else.' "$condition"

# tritext writer of filmmodels
condition="$(cat <<'END'
(
 (
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND NOT SubOperationMatches{'Blob.List'})
  AND
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'})
  AND
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'})
  AND
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete'})
 )
 OR
 (
  @Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'reviews'
  AND
  @Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringStartsWith 'output/'
 )
)
AND
(
 (
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND SubOperationMatches{'Blob.List'})
 )
 OR
 (
  @Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'reviews'
  AND
  @Request[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:prefix] StringStartsWith 'output/'
 )
)
END
)"
give /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-job "$writer" \
    /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/filmmodels/blobServices/default/containers/reviews 'Jobs write reviews/output/, and read it to go on after a stop.' "$condition"
