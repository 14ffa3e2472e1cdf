/**
 * What a deleted tenant or service stored is erased by the node that deleted it, and until that is done nothing can be made under its
 * name: so nothing old is shown to what comes after, and nothing new is erased with the old. If that node ends or fails in the
 * midst, one that is there finishes it; erasing twice does no harm.
 */
import type { Log } from '../../core/log.ts'
import type { Membership } from '../types.ts'
import type { Follower } from './follower.ts'
import { encode, keys } from './records.ts'
import type { Truth } from './truth.ts'

export interface ErasureDeps {
  readonly truth: Pick<Truth, 'view' | 'read' | 'write' | 'catchUp'>
  readonly nodes: Pick<Membership, 'self' | 'isAlive' | 'isMine'>
  readonly follower: () => Follower | undefined
  /** The watch shows nothing new of what was written here. */
  readonly later: (tenant: string, service: string) => void
  readonly log: Log
}

export interface Erasure {
  /** The work deletes it and erases what it stored; then the name is free. `service` null: the whole tenant. */
  readonly during: <Result>(
    tenant: string,
    service: string | null,
    work: () => Promise<Result>,
  ) => Promise<Result>
  /** Finishes what was left. */
  sweep(): Promise<void>
}

export function createErasure({ truth, nodes, follower, later, log }: ErasureDeps): Erasure {
  const underWay: string[] = []

  const done = async (tenant: string, service: string | null): Promise<void> => {
    const key = service === null ? keys.tenant(tenant) : keys.service(tenant, service)
    await truth.catchUp(key)
    const now = service === null ? truth.view.tenantKey(tenant) : truth.view.serviceKey(tenant, service)
    if (now?.value.erasing === undefined) return
    await truth.write(key, now.revision, encode({ ...now.value, erasing: undefined }))
    if (service !== null) later(tenant, service)
  }

  const during: Erasure['during'] = async (tenant, service, work) => {
    const name = service === null ? tenant : `${tenant}/${service}`
    underWay.push(name)
    try {
      const result = await work()
      await done(tenant, service)
      return result
    } finally {
      underWay.splice(underWay.indexOf(name), 1)
    }
  }

  return {
    during,
    async sweep() {
      const services = follower()
      if (services === undefined) return
      for (const { tenant, service, node } of truth.view.erasing()) {
        const name = service === null ? tenant : `${tenant}/${service}`
        const isLeft = node === nodes.self ? !underWay.includes(name) : !nodes.isAlive(node)
        if (!isLeft || (node !== nodes.self && !nodes.isMine(`erase/${name}`))) continue
        try {
          await during(tenant, service, () => services.erase(tenant, service))
          log.info('what was deleted is erased', { name })
        } catch (error) {
          log.warn('what was deleted is not erased yet', { name, error })
        }
      }
    },
  }
}
