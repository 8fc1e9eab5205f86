// Everything that the endpoint and its jobs stand on, but for who may do what (rendered/roles.bicep) and the endpoint
// itself (rendered/*.yml, by `az ml`).
//
//   deploy/azure/endpoint.sh create --dry-run
targetScope = 'resourceGroup'

@description('Where all of it is made.')
param location string

@description('The storage account of texts, labels and models.')
param storageAccount string

@description('How the jobs reach it: through an address of their own network, or through its public one.')
@allowed(['private_endpoint', 'service_endpoint'])
param storageAccess string

@description('The containers for the jobs.')
param containers array

@description('The container registry.')
param registry string

@description('The key vault of the workspace.')
param keyVault string

@description('The workspace of Azure ML.')
param workspace string

@description('What may leave the deployments, by name, as the workspace has it.')
param outboundRules object

@description('As whom the deployments pull image and model.')
param endpointIdentity string

@description('As whom jobs read and write.')
param jobIdentity string

@description('The addresses of the virtual network, and of its two subnets within it.')
param addressSpace string
param jobsRange string
param endpointsRange string

@description('Who else may reach the private endpoints: ranges of peered networks.')
param callers array = []

var private = storageAccess == 'private_endpoint'

module identities 'modules/identities.bicep' = {
  name: 'identities'
  params: {
    location: location
    names: [endpointIdentity, jobIdentity]
  }
}

module network 'modules/network.bicep' = {
  name: 'network'
  params: {
    location: location
    name: '${workspace}-network'
    addressSpace: addressSpace
    jobsRange: jobsRange
    endpointsRange: endpointsRange
    callers: callers
    // A text, since the account's own module needs the subnet first.
    serviceEndpointFor: private ? '' : resourceId('Microsoft.Storage/storageAccounts', storageAccount)
  }
}

module zones 'modules/zones.bicep' = {
  name: 'zones'
  params: {
    networkId: network.outputs.networkId
    storage: private
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    location: location
    name: storageAccount
    containers: containers
    allowedSubnetId: private ? '' : (network.outputs.jobsSubnetId)
  }
}

module storageEndpoint 'modules/private-endpoint.bicep' = if (private) {
  name: 'storage-endpoint'
  params: {
    location: location
    name: '${storageAccount}-blob'
    subnetId: network.outputs.endpointsSubnetId
    serviceId: storage.outputs.id
    part: 'blob'
    zoneIds: [zones.outputs.blob]
  }
}

module containerRegistry 'modules/registry.bicep' = {
  name: 'registry'
  params: {
    location: location
    name: registry
  }
}

module registryEndpoint 'modules/private-endpoint.bicep' = {
  name: 'registry-endpoint'
  params: {
    location: location
    name: '${registry}-registry'
    subnetId: network.outputs.endpointsSubnetId
    serviceId: containerRegistry.outputs.id
    part: 'registry'
    zoneIds: [zones.outputs.registry]
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    location: location
    name: keyVault
  }
}

module vaultEndpoint 'modules/private-endpoint.bicep' = {
  name: 'vault-endpoint'
  params: {
    location: location
    name: '${keyVault}-vault'
    subnetId: network.outputs.endpointsSubnetId
    serviceId: vault.outputs.id
    part: 'vault'
    zoneIds: [zones.outputs.vault]
  }
}

module learning 'modules/workspace.bicep' = {
  name: 'workspace'
  params: {
    location: location
    name: workspace
    storageId: storage.outputs.id
    vaultId: vault.outputs.id
    registryId: containerRegistry.outputs.id
    outboundRules: outboundRules
  }
}

module learningEndpoint 'modules/private-endpoint.bicep' = {
  name: 'workspace-endpoint'
  params: {
    location: location
    name: '${workspace}-workspace'
    subnetId: network.outputs.endpointsSubnetId
    serviceId: learning.outputs.id
    part: 'amlworkspace'
    zoneIds: [zones.outputs.workspace, zones.outputs.notebooks]
  }
}

output storageId string = storage.outputs.id
output workspaceId string = learning.outputs.id
output jobsSubnetId string = network.outputs.jobsSubnetId
