// The workspace, whose deployments run in a network that Azure manages: nothing leaves it but by a rule.
param location string
param name string
param storageId string
param vaultId string
param registryId string
param outboundRules object

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' = {
  name: name
  location: location
  kind: 'Default'
  sku: {
    name: 'Basic'
    tier: 'Basic'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    friendlyName: name
    storageAccount: storageId
    keyVault: vaultId
    containerRegistry: registryId
    publicNetworkAccess: 'Disabled'
    // The account takes no keys.
    systemDatastoresAuthMode: 'identity'
    v1LegacyMode: false
    managedNetwork: {
      isolationMode: 'AllowOnlyApprovedOutbound'
      outboundRules: outboundRules
    }
  }
}

output id string = workspace.id
