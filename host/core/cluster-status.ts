/** What a host says of its cluster: to operators, to probes, to `vela doctor`. */
import type { ClusterStatus, Control, DoctorCheck } from './control.ts'
import type { HostCluster } from './cluster.ts'

export function clusterStatus({ cluster }: HostCluster): ClusterStatus {
  if (cluster === null) return { self: null, holdsLease: false, nodes: [] }
  const { self, holdsLease } = cluster.membership
  return { self, holdsLease, nodes: cluster.membership.nodes() }
}

export function clusterHealth({ cluster }: HostCluster): ReturnType<Control['health']>['cluster'] {
  if (cluster === null) return undefined
  const { self, holdsLease } = cluster.membership
  const peers = cluster.membership.nodes().filter(({ id, state }) => id !== self && state !== 'lost')
  return { node: self, holdsLease, peers: peers.length }
}

export function clusterChecks({ cluster }: HostCluster): DoctorCheck[] {
  if (cluster === null)
    return [{ name: 'cluster', status: 'off', detail: 'this host is alone: no nats in its configuration' }]
  const { nats, membership, registry, sealsSecrets } = cluster
  const { self, holdsLease } = membership
  const { problem } = nats.health()
  const server = nats.state === 'connected' ? nats.connection.info : undefined
  const behind = registry.behind()
  const alive = membership.nodes().filter(({ state }) => state !== 'lost').length
  return [
    {
      name: 'nats',
      status: server === undefined ? 'failed' : 'on',
      detail:
        server === undefined
          ? `lost: ${problem ?? 'not connected'}`
          : `nats-server ${server.version}${server.tls_required === true ? ' with TLS' : ''}, streams and buckets in ${nats.replicas} ${nats.replicas === 1 ? 'copy' : 'copies'}`,
    },
    {
      name: 'cluster',
      status: holdsLease ? 'on' : 'failed',
      detail: holdsLease
        ? `this host is ${self}, one of ${alive}`
        : `this host (${self}) has no lease: it serves, and owns no actors and no consumers`,
    },
    {
      name: 'cluster registry',
      status: behind === 0 ? 'on' : 'failed',
      detail:
        behind === null
          ? 'not read yet: what this host knew at its last stop is served, changes are refused'
          : behind === 0
            ? 'this host is in line with it'
            : `${behind} parts are not in line with it yet; the log says why if they stay so`,
    },
    {
      name: 'cluster key',
      status: sealsSecrets ? 'on' : 'off',
      detail: sealsSecrets
        ? 'secrets go to other hosts sealed'
        : 'without nats.clusterKey secrets can be neither put nor read',
    },
  ]
}
