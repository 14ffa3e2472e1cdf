/**
 * The registry of a cluster: NATS holds the truth, and this host's store is a copy of it, so that it starts and serves without NATS.
 * What is changed here goes to NATS first, by compare-and-set, and then into the copy; what others changed comes by a watch. While
 * NATS is lost, or what it holds has not been read yet, reads are answered from the copy and changes are refused.
 */
import { VelaError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { within } from '../core/within.ts'
import type { Nats } from '../nats/nats.ts'
import type { LocalRegistry } from '../registry/registry.ts'
import type { SecretBox } from '../registry/secret-box.ts'
import type { Registry } from '../registry/types.ts'
import { createBundles } from './registry/bundles.ts'
import { checkClusterKey } from './registry/key-check.ts'
import type { Follower } from './registry/follower.ts'
import { createErasure, type ErasureDeps } from './registry/erasure.ts'
import { join, type JoinDeps } from './registry/join.ts'
import { createReconciler } from './registry/reconcile.ts'
import { operatorMethods } from './registry/operator-methods.ts'
import { type Key, keys } from './registry/records.ts'
import { serviceMethods } from './registry/service-methods.ts'
import { openTruth } from './registry/truth.ts'
import { createWorkQueue } from './registry/work-queue.ts'

export interface ClusterRegistryDeps {
  readonly nats: Nats
  readonly local: LocalRegistry
  /** Undefined without a cluster key: secrets are refused then. */
  readonly box: SecretBox | undefined
  readonly checkRoutes: JoinDeps['checkRoutes']
  readonly nodes: ErasureDeps['nodes']
  readonly vela: string
  readonly log: Log
}

export interface ClusterRegistry extends Registry {
  /**
   * Makes the copy equal to the cluster, before services run; brings this host's registry in if it is new. Resolves false, with the
   * copy as it was, when NATS is not there in time. Rejects VELA_CONFIG_INVALID when this host has another key than the cluster.
   */
  sync(deadlineMs: number): Promise<boolean>
  /** Nothing is taken over from others any more; resolves when nothing is on its way. */
  pause(): Promise<void>
  /** Services run: from now on they follow what others change. */
  follow(follower: Follower): void
  /** As NATS has it now, whatever this host has heard; rejects VELA_CLUSTER_UNAVAILABLE when that cannot be said. */
  hasTenant(name: string): Promise<boolean>
  /** Resolves when all that this host knows of is in force on it. */
  whenInLine(): Promise<void>
  /**
   * Drops from NATS what no version names any more and is older than that (milliseconds; an hour if left out); one host does it now and
   * then. Resolves to how many bundles and manifests.
   */
  sweep(olderThanMs?: number): Promise<number>
  /** Parts that are not in line yet; null before the cluster's registry has been read. */
  behind(): number | null
}

const ERASE_MS = 2000
const GARBAGE_AGE_MS = 3_600_000

export function openClusterRegistry(deps: ClusterRegistryDeps): ClusterRegistry {
  const { nats, local, box, nodes, vela, log } = deps
  let follower: Follower | undefined
  let joined = false
  const refused = Promise.withResolvers<never>()
  refused.promise.catch(() => undefined)
  const queue = createWorkQueue(log)

  const truth = openTruth({ nats, log, onChange: (key) => changed(key) })
  const bundles = createBundles(nats, truth)
  const reconciler = createReconciler({
    local,
    view: () => truth.view,
    bundles,
    box,
    follower: () => follower,
    isAccepted: (entry) => entry.vela === vela && entry.runtime === process.version,
    log,
  })

  const add = (key: Key): void => {
    switch (key.kind) {
      case 'meta':
        return
      case 'tenant':
        return queue.addFirst(everything)
      case 'token':
        return queue.add(`token ${key.digest.slice(0, 8)}`, () => reconciler.token(key.digest))
      case 'service':
      case 'secret':
      case 'grant':
        return queue.add(`${key.tenant}/${key.service}`, () => reconciler.service(key.tenant, key.service))
    }
  }

  /** Nothing is taken from this host before it has brought what it has. */
  const everything = async (): Promise<void> => {
    if (!truth.isWhole) return
    try {
      await checkClusterKey(truth, box)
    } catch (error) {
      refused.reject(error)
      throw error
    }
    await join({ ...deps, truth, bundles })
    joined = true
    const all = await reconciler.everything()
    for (const name of all.tenants) await reconciler.tenant(name)
    for (const { tenant, service } of all.services) add({ kind: 'service', tenant, service })
    for (const digest of all.tokens) add({ kind: 'token', digest })
  }

  const changed = (key: Key | undefined): void => {
    if (key === undefined || !joined) queue.addFirst(everything)
    else add(key)
  }

  const later = (tenant: string, service: string): void => add({ kind: 'service', tenant, service })

  const erasure = createErasure({ truth, nodes, follower: () => follower, later, log })
  const eraser = setInterval(() => {
    if (truth.isWhole && joined && nats.state === 'connected')
      erasure.sweep().catch((error: unknown) => log.debug('nothing erased', { error }))
  }, ERASE_MS).unref()

  const removeState = nats.onState((state) => {
    if (state === 'connected')
      truth.check().catch((error: unknown) => log.debug('registry not checked', { error }))
  })

  /** Changes need what the cluster has. */
  const ready = (): void => {
    if (truth.isWhole && joined && nats.state === 'connected') return
    throw new VelaError(
      'VELA_CLUSTER_UNAVAILABLE',
      nats.state === 'connected'
        ? 'The cluster’s registry has not been read yet. Try again in a moment.'
        : 'NATS, which holds the cluster’s registry, is not reachable: nothing can be changed now. What serves goes on serving; try again when it is back.',
    )
  }

  const settle = async (tenant: string, service: string): Promise<void> => {
    ready()
    await truth.catchUp(keys.tenant(tenant))
    await truth.catchUp(keys.service(tenant, service))
    if ((await local.getTenant(tenant)) === undefined) await reconciler.tenant(tenant)
    const revision = truth.view.serviceKey(tenant, service)?.revision ?? 0
    const late = performance.now() + SETTLE_MS
    while (reconciler.appliedRevision(tenant, service) < revision && performance.now() < late)
      await new Promise((resolve) => setTimeout(resolve, 10))
  }

  return {
    ...local,
    ...serviceMethods({ ...deps, truth, bundles, reconciler, ready, self: nodes.self, later }),
    ...operatorMethods({ local, truth, box, ready, self: nodes.self }),
    settle,
    erasing: erasure.during,
    async sync(deadlineMs) {
      try {
        await truth.whenWhole(deadlineMs)
      } catch (error) {
        // NATS that is not there is no failure of ours, which would need a stack.
        const why = error instanceof VelaError ? { reason: error.message } : { error }
        log.warn('cluster’s registry not read, serving what this host knows', why)
        await queue.hold()
        return false
      }
      // What cannot be brought in line now (code that is missing, say) does not hold up the rest.
      await Promise.race([within(deadlineMs, queue.whenIdle()), refused.promise])
      await queue.hold()
      return joined
    },
    pause: () => queue.hold(),
    follow(next) {
      follower = next
      queue.release()
    },
    async hasTenant(name) {
      ready()
      await truth.catchUp(keys.tenant(name))
      return truth.view.tenant(name) !== undefined
    },
    whenInLine: () => queue.whenIdle(),
    behind: () => (truth.isWhole && joined ? queue.size : null),
    async sweep(olderThanMs = GARBAGE_AGE_MS) {
      ready()
      const swept = await bundles.sweep(
        (tenant, digest) =>
          truth.view
            .services(tenant)
            .some(({ state }) => state.versions.some(({ bundle }) => bundle === digest)),
        (tenant, service, version) =>
          truth.view.service(tenant, service)?.versions.some((entry) => entry.version === version) === true,
        olderThanMs,
      )
      if (swept > 0) log.info('swept what no version names', { count: swept })
      return swept
    },
    async close() {
      clearInterval(eraser)
      removeState()
      truth.close()
      await queue.close()
    },
  }
}

const SETTLE_MS = 10_000
