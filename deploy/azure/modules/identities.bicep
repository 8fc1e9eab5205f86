// The identities, without any right: rendered/roles.bicep gives them theirs.
param location string
param names array

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = [for name in names: {
  name: name
  location: location
}]
