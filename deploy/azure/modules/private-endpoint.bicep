// One service with an address of its own in the network, and its name in the private zones.
param location string
param name string
param subnetId string
param serviceId string

@description('Which of the service: blob, registry, vault, amlworkspace.')
param part string
param zoneIds array

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: name
  location: location
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: part
        properties: {
          privateLinkServiceId: serviceId
          groupIds: [part]
        }
      }
    ]
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [for (zone, number) in zoneIds: {
      name: 'zone${number}'
      properties: {
        privateDnsZoneId: zone
      }
    }]
  }
}
