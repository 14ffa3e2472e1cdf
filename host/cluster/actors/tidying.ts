/**
 * Now and then: what has long not been in use leaves memory, and what keeps nothing leaves NATS, too, so that neither grows with all
 * actors that ever were asked for.
 */
import type { ActorAddress } from '../../concurrency/actors/types.ts'
import type { Kept, KeptActors } from './kept.ts'
import type { ActorLog } from './log.ts'
import type { Owner, Owners } from './owners.ts'

export interface TidyingDeps {
  readonly log: Pick<ActorLog, 'purge'>
  readonly kept: KeptActors
  readonly owners: Pick<Owners, 'mine' | 'allMine' | 'forget' | 'discard'>
  readonly isActive: (address: ActorAddress) => boolean
  /** At hand without being in use; 64 MiB if left out. */
  readonly spareBytes?: number
}

const SPARE_BYTES = 64 * 1024 * 1024
const MOST_SPARE = 50_000
const AT_ONCE = 64

/** One round of it. */
export function createTidying({ log, kept, owners, isActive, ...options }: TidyingDeps): () => Promise<void> {
  const spareBytes = options.spareBytes ?? SPARE_BYTES

  const discard = async (one: Kept): Promise<void> => {
    await kept.run(one.address, async () => {
      if (kept.get(one.address) !== one || one.bytes > 0 || isActive(one.address)) return
      kept.drop(one)
      // No further than what this node knows of: if it was stopped here, another may have written since.
      await owners.discard(one.owner, () => log.purge(one.owner.place, one.sequence + 1))
    })
  }

  /** Asked for, and never loaded: its service is not there, say, or only its depth was wanted. */
  const isIdle = ({ address }: Owner): boolean => kept.get(address) === undefined && !isActive(address)
  const giveUp = (owner: Owner): Promise<void> =>
    kept.run(owner.address, async () => {
      if (owners.mine(owner.address) === owner && isIdle(owner)) await owners.discard(owner)
    })

  const dropSpare = (spare: readonly Kept[]): void => {
    let bytes = spare.reduce((sum, one) => sum + one.bytes, 0)
    let count = spare.length
    // Maps keep the order in which actors were taken: the oldest go first.
    for (const one of spare) {
      if (bytes <= spareBytes && count <= MOST_SPARE) return
      if (isActive(one.address)) continue
      bytes -= one.bytes
      count -= 1
      kept.drop(one)
      // The bucket says whose it is; what is known of owners is not to grow with all that ever were.
      owners.forget(one.owner)
    }
  }

  return async () => {
    const idle = [...kept.values()].filter(({ address }) => !isActive(address))
    const empty = idle.filter(({ bytes }) => bytes === 0)
    await inTurns(empty, discard)
    await inTurns(owners.allMine().filter(isIdle), giveUp)
    // An alarm rings only from the store.
    dropSpare(idle.filter(({ bytes, alarmMs }) => bytes > 0 && alarmMs === null))
  }
}

async function inTurns<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += AT_ONCE)
    await Promise.all(items.slice(from, from + AT_ONCE).map(work))
}
