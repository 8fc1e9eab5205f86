#!/usr/bin/env bash
# Who may do what. Rendered by `tritext endpoint render --target azure`: change cloud.yml and render again.
set -euo pipefail
principal() { az identity show --ids "$1" --query principalId --output tsv; }

# AcrPull
assignee="$(principal /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-endpoint)"
az role assignment create --assignee-object-id "$assignee" --assignee-principal-type ServicePrincipal \
    --role 7f951dda-4ed3-4680-a7ca-43fe172d538d --scope /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ContainerRegistry/registries/filmregistry --description 'The deployments pull their image.'

# Storage Blob Data Reader
assignee="$(principal /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-endpoint)"
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
az role assignment create --assignee-object-id "$assignee" --assignee-principal-type ServicePrincipal \
    --condition-version 2.0 --condition "$condition" \
    --role 2a2b9908-6ea1-4ae2-8e65-a410df84e7d1 --scope /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/filmmodels --description 'The deployments mount their model, which the workspace keeps in containers that it names itself.'

# AcrPull
assignee="$(principal /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-job)"
az role assignment create --assignee-object-id "$assignee" --assignee-principal-type ServicePrincipal \
    --role 7f951dda-4ed3-4680-a7ca-43fe172d538d --scope /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ContainerRegistry/registries/filmregistry --description 'Jobs run in the same image.'

# Storage Blob Data Reader
assignee="$(principal /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-job)"
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
az role assignment create --assignee-object-id "$assignee" --assignee-principal-type ServicePrincipal \
    --condition-version 2.0 --condition "$condition" \
    --role 2a2b9908-6ea1-4ae2-8e65-a410df84e7d1 --scope /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/filmmodels/blobServices/default/containers/reviews --description 'Jobs read and list reviews/input/ and nothing else.'

# Storage Blob Data Contributor
assignee="$(principal /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sentiment-job)"
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
  AND
  !(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action'})
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
az role assignment create --assignee-object-id "$assignee" --assignee-principal-type ServicePrincipal \
    --condition-version 2.0 --condition "$condition" \
    --role ba92f5b4-2d11-453d-a403-e96b0029c9fe --scope /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/filmmodels/blobServices/default/containers/reviews --description 'Jobs write reviews/output/, and read it to go on after a stop.'
