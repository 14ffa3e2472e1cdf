/**
 * Where actors live. An address has one entry while its actor is active or on its way, and an entry has one home.
 * Invariants: at most one home may read and write an actor's state, and it proves itself by the epoch it was given; an epoch is
 * never given twice; state is read after every change that was accepted before; messages of one sender reach the home in the order
 * they came; what waits is bounded, and waits no longer than a load or a rest may take; a home has a bounded number of actors.
 * Threat: a guest that claims to hold what it does not, or that was stopped and wakes up late. Its claims are compared
 * with the entry and refused.
 */
import { toVelaError, VelaError } from '../../core/errors.ts'
import type { Home } from '../../cells/home.ts'
import type { ActorService, Directory, DirectoryDeps, Placed, Visit } from './directory-contract.ts'
import { addTo, chosen, countByClass, createEntry, refuseWaiting, type Entry } from './entry.ts'
import type { Loaded } from './store/store.ts'
import { keyOf, MAX_WAITING } from './types.ts'
import type { Activation, ActorAddress } from './types.ts'

const MAX_TRIES = 5
/** More than an isolate has memory for; a guest that only says that it has them would fill the host's. */
const MOST_AT_HOME = 100_000

export function createDirectory(deps: DirectoryDeps): Directory {
  const { load, find, passivate, mostAtHome = MOST_AT_HOME } = deps
  const entries = new Map<string, Entry>()
  const homes = new Map<Home, Set<Entry>>()
  /** Homes of a service that rest just now. */
  const rests = new Map<string, Set<Promise<void>>>()
  let lastEpoch = 0

  const settleAt = (entry: Entry, home: Home): void => {
    entry.home = home
    entry.epoch = ++lastEpoch
    entry.offers = 0
    const present = homes.get(home)
    if (present !== undefined) return void present.add(entry)
    homes.set(home, new Set([entry]))
    home.onGone(() => lost(home))
  }

  /** The home is gone, and what lived there with it. */
  const lost = (home: Home): void => {
    const there = homes.get(home) ?? []
    homes.delete(home)
    for (const entry of there) {
      entry.home = undefined
      if (entry.state === 'active') leave(entry)
    }
  }

  /** Nobody holds it any more: whoever waits finds it another home. */
  const leave = (entry: Entry): void => {
    if (entry.home !== undefined) homes.get(entry.home)?.delete(entry)
    entry.home = undefined
    if (entry.waiting.length > 0) return begin(entry)
    if (entries.get(entry.key) === entry) entries.delete(entry.key)
  }

  const begin = (entry: Entry): void => {
    entry.state = 'placing'
    const round = ++entry.round
    place(entry, round).catch((thrown: unknown) => {
      if (entry.round !== round) return
      const waiting = entry.waiting
      entry.waiting = []
      // One that is active all the same only could not be looked at again.
      if (entry.home === undefined || entry.home.gone) leave(entry)
      else if (entry.state === 'placing') entry.state = 'active'
      const error = toVelaError(thrown, 'VELA_CELL_START_FAILED')
      for (const { visit } of waiting) visit.refused(error)
    })
  }

  const place = async (entry: Entry, round: number): Promise<void> => {
    const { address } = entry
    const service = find(address.tenant, address.service)
    if (service === undefined)
      throw new VelaError('VELA_SERVICE_NOT_FOUND', `There is no service ${address.service}`)
    if (!service.declares(address.class))
      throw new VelaError(
        'VELA_ACTOR_NOT_FOUND',
        `The service ${address.service} has no actors of the class ${address.class}`,
      )
    const loading = load(address)
    loading.catch(() => undefined)
    for (let tries = 0; entry.home === undefined; tries++) {
      if (tries === MAX_TRIES) throw new VelaError('VELA_CELL_LOST', 'No cell for the actor stayed up')
      const home = choose(service, entry) ?? (await bring(address, service, entry))
      const { row } = await loading
      if (entry.dropped || entry.round !== round) break
      // Since then it may have gone, or begun to rest.
      if (home === undefined || home.gone || !service.homes().includes(home)) continue
      if (countAt(home) >= mostAtHome)
        throw new VelaError('VELA_CELL_OVERLOADED', `The isolate has ${mostAtHome} actors; retry later`)
      entry.row = row
      settleAt(entry, home)
    }
    const loaded = await loading
    if (entry.dropped) throw new VelaError('VELA_SERVICE_NOT_FOUND', 'The service was deleted')
    // Its home began to rest meanwhile: whoever waits is served behind that.
    if (entry.round !== round || entry.state !== 'placing') return
    const { home } = entry
    if (home === undefined) return begin(entry)
    entry.state = 'active'
    admit(entry, home, { epoch: entry.epoch, ...withoutRow(loaded) })
  }

  /** All that wait, in their order. The first message from elsewhere carries the activation, and whoever lives there gets it too. */
  const admit = (entry: Entry, home: Home, activation: Activation): void => {
    const waiting = entry.waiting
    entry.waiting = []
    entry.unproven = true
    // One that is turned away at once must not end the entry under those behind it.
    entry.inFlight++
    for (const { caller, visit } of waiting) {
      if (visit.over) continue
      const carries = caller === home || entry.unproven
      if (caller !== home) entry.unproven = false
      if (carries) entry.offers++
      visit.placed(placedOf(entry, home), carries ? activation : null)
    }
    entry.inFlight--
    forgetUntold(entry, home)
  }

  /** Nobody wants it any more and its home never heard of it, so nobody there will ever give it back. */
  const forgetUntold = (entry: Entry, home: Home): void => {
    const isWanted = entry.offers > 0 || entry.inFlight > 0 || entry.waiting.length > 0
    if (!isWanted && entry.home === home && entry.state === 'active') leave(entry)
  }

  const placedOf = (entry: Entry, home: Home): Placed => {
    const { epoch } = entry
    return {
      address: entry.address,
      home,
      epoch,
      get row() {
        return entry.row
      },
      set row(row) {
        if (entry.epoch === epoch) entry.row = row
      },
      sent() {
        entry.inFlight++
        return () => {
          entry.inFlight--
          if (entry.epoch === epoch) forgetUntold(entry, home)
        }
      },
      unheard() {
        if (entry.epoch !== epoch) return
        entry.unproven = true
        entry.offers--
        forgetUntold(entry, home)
      },
    }
  }

  const countAt = (home: Home): number => homes.get(home)?.size ?? 0

  /** The caller's own replica, else where least is going on. */
  const choose = (service: ActorService, entry: Entry): Home | undefined => {
    const there = service.homes()
    const caller = entry.waiting[0]?.caller
    if (caller !== undefined && there.includes(caller) && countAt(caller) < mostAtHome) return caller
    let best: Home | undefined
    let least = Infinity
    for (const home of there) {
      const load = home.load + countAt(home)
      if (load < least) [best, least] = [home, load]
    }
    return best
  }

  const bring = async (
    { tenant, service: name }: ActorAddress,
    service: ActorService,
    entry: Entry,
  ): Promise<Home | undefined> => {
    const resting = rests.get(`${tenant}/${name}`)
    if (resting !== undefined) {
      await Promise.all(resting)
      // Whoever rested is given up behind this, or stays after all.
      await new Promise((resolve) => setImmediate(resolve))
      const stayed = choose(service, entry)
      if (stayed !== undefined) return stayed
    }
    await service.start()
    return choose(service, entry)
  }

  const wait = (entry: Entry, caller: Home | undefined, visit: Visit): void => {
    if (entry.waiting.length >= MAX_WAITING) {
      const message = `${MAX_WAITING} messages wait for this actor, which is on its way; retry later`
      return visit.refused(new VelaError('VELA_ACTOR_MAILBOX_FULL', message))
    }
    entry.waiting.push({ caller, visit })
  }

  const isHeld = (entry: Entry | undefined, home: Home, epoch: number): entry is Entry =>
    entry !== undefined && entry.home === home && entry.epoch === epoch && !home.gone

  const rest = async (home: Home): Promise<void> => {
    const leaving = [...(homes.get(home) ?? [])]
    const first = leaving[0]
    if (first === undefined) return
    for (const entry of leaving) entry.state = 'leaving'
    const service = `${first.address.tenant}/${first.address.service}`
    const done = passivate(home).finally(() => {
      for (const entry of leaving) if (entry.state === 'leaving') leave(entry)
      const others = rests.get(service)
      others?.delete(done)
      if (others?.size === 0) rests.delete(service)
    })
    const resting = rests.get(service) ?? new Set()
    rests.set(service, resting.add(done))
    await done
  }

  return {
    route(address, caller, visit) {
      const key = keyOf(address)
      const entry = entries.get(key)
      if (entry?.state === 'active' && entry.home !== undefined) {
        // A home that asks for what it has, or may not have heard of it, is told the state again.
        if (entry.home !== caller && !entry.unproven) return visit.placed(placedOf(entry, entry.home), null)
        wait(entry, caller, visit)
        return begin(entry)
      }
      if (entry !== undefined) return wait(entry, caller, visit)
      const fresh = createEntry(key, address, { caller, visit })
      entries.set(key, fresh)
      begin(fresh)
    },
    held(address, home, epoch) {
      const entry = entries.get(keyOf(address))
      if (!isHeld(entry, home, epoch)) throw fenced()
      entry.unproven = false
      return placedOf(entry, home)
    },
    released(address, home, epoch) {
      const entry = entries.get(keyOf(address))
      if (!isHeld(entry, home, epoch)) throw fenced()
      if (entry.inFlight > 0 || entry.waiting.length > 0 || entry.state !== 'active') return false
      leave(entry)
      return true
    },
    denied({ address, home, epoch }) {
      const entry = entries.get(keyOf(address))
      if (isHeld(entry, home, epoch) && entry.state === 'active') leave(entry)
    },
    homeOf: (address) => entries.get(keyOf(address))?.home,
    has: (address) => entries.has(keyOf(address)),
    rest,
    async restAll() {
      await Promise.all([...homes.keys()].map(rest))
    },
    evict(which, error) {
      const had = new Map<Home, ActorAddress[]>()
      for (const entry of chosen(entries, which)) {
        // A home that is being found for it comes too late.
        entry.round++
        const { home } = entry
        if (home !== undefined) addTo(had, home, entry.address)
        if (home !== undefined) homes.get(home)?.delete(entry)
        entry.home = undefined
        entries.delete(entry.key)
        refuseWaiting(entry, error)
      }
      return had
    },
    forget(tenant, service) {
      for (const entry of entries.values()) {
        if (entry.address.tenant !== tenant) continue
        if (service !== undefined && entry.address.service !== service) continue
        entry.dropped = true
        if (entry.home !== undefined) homes.get(entry.home)?.delete(entry)
        entry.home = undefined
        entries.delete(entry.key)
        refuseWaiting(entry, new VelaError('VELA_SERVICE_NOT_FOUND', 'The service was deleted'))
      }
    },
    activeIn(tenant, service) {
      return countByClass(entries.values(), tenant, service)
    },
    get size() {
      return entries.size
    },
  }
}

const withoutRow = ({ version, entries, complete, alarmMs }: Loaded): Omit<Activation, 'epoch'> => ({
  version,
  entries,
  complete,
  alarmMs,
})

const fenced = (): VelaError =>
  new VelaError('VELA_ACTOR_FENCED', 'This actor is not active here any more; nothing was done')
