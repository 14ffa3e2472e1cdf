/** What this system lets the host take from its cells, and whether it has what it needs: one line a layer. */
import { statfs } from 'node:fs/promises'
import type { CellPool } from '../cells/cell-pool.ts'
import { readProcessStats } from '../cells/process-stats.ts'
import { clusterChecks } from './cluster-status.ts'
import type { HostCluster } from './cluster.ts'
import type { Config } from './config.ts'
import type { DoctorCheck } from './control.ts'

const LOW_DISK_BYTES = 256 * 1024 * 1024

export interface DoctorDeps {
  readonly config: Config
  readonly cells: CellPool
  readonly cluster: HostCluster
}

export async function runDoctor({ config, cells, cluster }: DoctorDeps): Promise<DoctorCheck[]> {
  const { network, userId, death } = cells.containment
  const { assigned, spare } = cells.supervisor.count()
  const on = (name: string, isOn: boolean, yes: string, no: string): DoctorCheck => ({
    name,
    status: isOn ? 'on' : 'off',
    detail: isOn ? yes : no,
  })
  return [
    { name: 'node', status: 'on', detail: process.version },
    { name: 'engine', status: 'on', detail: 'isolated-vm runs in cells' },
    on(
      'process per tenant',
      Object.keys(config.cells.cordons).length === 0,
      'every tenant has cells of its own',
      'cordons put tenants together: within one, the isolate is the only wall',
    ),
    {
      name: 'permission model',
      status: 'on',
      detail: 'cells read their own program and nothing else; no child processes, no workers',
    },
    { name: 'environment', status: 'on', detail: 'cells start with an empty environment' },
    on(
      'network',
      network === 'namespace',
      'cells have a network namespace without a route',
      'cells share the network of the host: allow user namespaces, or run the host as root',
    ),
    on(
      'user id',
      userId === 'own',
      'each cell runs under a user id of its own',
      'cells run under the user id of the host: only root may give them others',
    ),
    on(
      'death with the host',
      death === 'signal',
      'a cell is killed when its host dies, whatever it is doing',
      'a cell ends when it next reads its link: one that loops outlives a host that was killed (install setpriv)',
    ),
    on(
      'cpu clock',
      readProcessStats(process.pid) !== undefined,
      'the CPU time of cells is read from /proc',
      '/proc cannot be read: the stopwatch is off',
    ),
    { name: 'cells', status: 'on', detail: `${assigned} serving, ${spare} spare` },
    await checkDisk(config.data),
    ...clusterChecks(cluster),
  ]
}

async function checkDisk(data: string | null): Promise<DoctorCheck> {
  if (data === null)
    return { name: 'data', status: 'off', detail: 'everything is in memory and gone when the host stops' }
  try {
    const { bavail, bsize } = await statfs(data)
    const free = bavail * bsize
    return {
      name: 'data',
      status: free < LOW_DISK_BYTES ? 'failed' : 'on',
      detail: `${data}, ${Math.floor(free / 1024 / 1024)} MiB free`,
    }
  } catch (thrown) {
    return { name: 'data', status: 'failed', detail: `${data}: ${(thrown as Error).message}` }
  }
}
