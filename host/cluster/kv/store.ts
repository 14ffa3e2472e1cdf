/**
 * The key-value store of a cluster: writes are put in order by the journal and carried out by every host on its own store, which
 * answers reads. So a host reads what it has acknowledged itself, and what others have a moment later; compare-and-set is
 * decided by the journal, so it holds over all hosts.
 */
import type { Log } from '../../core/log.ts'
import { VelaError } from '../../core/errors.ts'
import type { KvNamespace, KvStore } from '../../kv/types.ts'
import { checkName } from '../../registry/names.ts'
import type { Nats } from '../../nats/types.ts'
import { startFollower } from './follower.ts'
import { createJournal, unavailable } from './journal.ts'
import { createClusterNamespace } from './namespace.ts'
import { encodeChange, encodeDrop, keySubject, keySubjects, tenantSubject } from './wire.ts'

export interface ClusterKvDeps {
  readonly nats: Nats
  /** This host's own. Closed with the store. */
  readonly local: KvStore
  readonly log: Pick<Log, 'info' | 'warn'>
  /** Which of the hosts does what one should do. */
  readonly isMine: (key: string) => boolean
  readonly reapEveryMs?: number
}

export interface ClusterKv extends KvStore {
  /** It has what the cluster had when it came. */
  readonly isCurrent: boolean
}

const APPLY_MS = 8000
const REAP_MS = 10_000
const REAP_KEYS = 256

export function createClusterKv(deps: ClusterKvDeps): ClusterKv {
  const { nats, local, log, isMine } = deps
  const { replica, memory } = local
  const journal = createJournal(nats)
  const follower = startFollower({ nats, journal, replica, log })
  const namespaces = new Map<string, KvNamespace>()

  const append = async (
    subject: string,
    data: Uint8Array,
    expected?: number,
  ): Promise<number | undefined> => {
    if (!follower.isCurrent)
      throw new VelaError('VELA_CLUSTER_UNAVAILABLE', 'This host has not joined the cluster yet; retry later')
    const sequence = await journal.append(subject, data, expected)
    if (sequence !== undefined)
      await follower.reached(sequence, APPLY_MS).catch((error: unknown) => late(error))
    return sequence
  }

  /** What expired goes for all, by one of the hosts; a key that was written meanwhile has another place, and stays. */
  const reap = async (): Promise<void> => {
    if (nats.state !== 'connected' || !follower.isCurrent || !isMine('kv/expired')) return
    for (const { tenant, namespace, key, version } of await replica.expired(Date.now(), REAP_KEYS)) {
      const subject = keySubject(nats.prefix, tenant, namespace, key)
      await journal.append(subject, encodeChange({ tenant, namespace, key, put: null }), version)
    }
  }
  let reaping = Promise.resolve()
  const reaper = setInterval(() => {
    reaping = reaping
      .then(reap)
      .catch((error: unknown) => log.warn('what expired stays', { error: String(error) }))
  }, deps.reapEveryMs ?? REAP_MS).unref()

  return {
    memory,
    replica,
    get isCurrent() {
      return follower.isCurrent
    },
    whenCurrent: (withinMs) => follower.whenCurrent(withinMs),
    namespace(tenant, name) {
      const id = `${checkName('tenant', tenant)}/${checkName('namespace', name)}`
      const known = namespaces.get(id)
      if (known !== undefined) return known
      const made = createClusterNamespace(
        {
          local: () => local.namespace(tenant, name),
          replica,
          memory,
          mostBytes: () => journal.mostBytes,
          append: (key, put, expected) =>
            append(
              keySubject(nats.prefix, tenant, name, key),
              encodeChange({ tenant, namespace: name, key, put }),
              expected,
            ),
          lastOf: (key) => journal.lastOf(keySubject(nats.prefix, tenant, name, key)),
          reached: (sequence) => follower.reached(sequence, APPLY_MS),
        },
        tenant,
        name,
      )
      namespaces.set(id, made)
      return made
    },
    usage: (tenant) => local.usage(tenant),
    tenants: () => local.tenants(),
    async deleteTenant(tenant) {
      checkName('tenant', tenant)
      for (const id of namespaces.keys()) if (id.startsWith(`${tenant}/`)) namespaces.delete(id)
      const place = await append(tenantSubject(nats.prefix, tenant), encodeDrop(tenant))
      if (place !== undefined) await journal.purge(keySubjects(nats.prefix, tenant), place)
    },
    sweep: () => local.sweep(),
    async close() {
      clearInterval(reaper)
      await follower.close()
      await local.close()
    },
  }
}

function late(cause: unknown): never {
  throw unavailable(cause)
}
