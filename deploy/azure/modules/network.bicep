// One network with two subnets: where jobs and callers run, and where private endpoints have their addresses. What a
// filter does not name may neither come nor go.
param location string
param name string
param addressSpace string
param jobsRange string
param endpointsRange string
param callers array

@description('The account that jobs reach by a service endpoint; empty where they use a private one.')
param serviceEndpointFor string

var byService = !empty(serviceEndpointFor)

var denyOut = {
  name: 'deny-the-rest-out'
  properties: {
    priority: 4000
    direction: 'Outbound'
    access: 'Deny'
    protocol: '*'
    sourceAddressPrefix: '*'
    sourcePortRange: '*'
    destinationAddressPrefix: '*'
    destinationPortRange: '*'
  }
}
var denyIn = {
  name: 'deny-the-rest-in'
  properties: {
    priority: 4000
    direction: 'Inbound'
    access: 'Deny'
    protocol: '*'
    sourceAddressPrefix: '*'
    sourcePortRange: '*'
    destinationAddressPrefix: '*'
    destinationPortRange: '*'
  }
}
var toPrivateEndpoints = {
  name: 'private-endpoints'
  properties: {
    priority: 100
    direction: 'Outbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefix: jobsRange
    sourcePortRange: '*'
    destinationAddressPrefix: endpointsRange
    destinationPortRange: '443'
  }
}
// Tokens come from the public address of Microsoft Entra, which has no private one.
var toSignIn = {
  name: 'sign-in'
  properties: {
    priority: 110
    direction: 'Outbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefix: jobsRange
    sourcePortRange: '*'
    destinationAddressPrefix: 'AzureActiveDirectory'
    destinationPortRange: '443'
  }
}
// A service endpoint goes to the account's public address: without this rule the filter breaks it. The tag is every
// account of the region; the policy on the subnet says which one.
var toStorage = {
  name: 'storage'
  properties: {
    priority: 120
    direction: 'Outbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefix: jobsRange
    sourcePortRange: '*'
    destinationAddressPrefix: 'Storage.${location}'
    destinationPortRange: '443'
  }
}
var fromCallers = {
  name: 'callers'
  properties: {
    priority: 100
    direction: 'Inbound'
    access: 'Allow'
    protocol: 'Tcp'
    sourceAddressPrefixes: concat([jobsRange], callers)
    sourcePortRange: '*'
    destinationAddressPrefix: endpointsRange
    destinationPortRange: '443'
  }
}

resource jobsFilter 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: '${name}-jobs'
  location: location
  properties: {
    securityRules: concat([toPrivateEndpoints, toSignIn], byService ? [toStorage] : [], [denyOut, denyIn])
  }
}

resource endpointsFilter 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: '${name}-endpoints'
  location: location
  properties: {
    securityRules: [fromCallers, denyOut, denyIn]
  }
}

resource only 'Microsoft.Network/serviceEndpointPolicies@2024-05-01' = if (byService) {
  name: '${name}-storage'
  location: location
  properties: {
    serviceEndpointPolicyDefinitions: [
      {
        name: 'this-account'
        properties: {
          service: 'Microsoft.Storage'
          serviceResources: [serviceEndpointFor]
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: [addressSpace]
    }
    subnets: [
      {
        name: 'jobs'
        properties: {
          addressPrefix: jobsRange
          defaultOutboundAccess: false
          networkSecurityGroup: {
            id: jobsFilter.id
          }
          serviceEndpoints: byService ? [{ service: 'Microsoft.Storage' }] : []
          serviceEndpointPolicies: byService ? [{ id: only.id }] : []
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointsRange
          defaultOutboundAccess: false
          networkSecurityGroup: {
            id: endpointsFilter.id
          }
          // Without this the filter would not hold for private endpoints.
          privateEndpointNetworkPolicies: 'NetworkSecurityGroupEnabled'
        }
      }
    ]
  }
}

output networkId string = network.id
output jobsSubnetId string = '${network.id}/subnets/jobs'
output endpointsSubnetId string = '${network.id}/subnets/endpoints'
