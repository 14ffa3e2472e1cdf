/**
 * Shares of measured CPU between owners of cells (start-time fair queueing). Each owner has a virtual time: the CPU time
 * its cells have used, over its weight. While cores are free nothing waits. When more cells want CPU than there are cores, an owner
 * that is ahead of the least served one by more than SLACK does not get its next batch before the others have caught up or
 * want nothing; its calls wait in the queues they stand in anyway, under the same bounds and deadlines.
 *
 * What a cell says of its own CPU time is hostile: the process's clock is read beside it, and the larger one counts.
 * Nobody is held for ever: one batch goes each HOLD_MS, and nobody gets further ahead than LEAD.
 */

/** One cell's place in the line; its cell asks before each batch. */
export interface Seat {
  /** May the next batch go? False: `go` is called when it may. True is followed by `done`, `leave` or `end`. */
  enter(): boolean
  /** The batch was answered, by the cell's own account. `more`: it will ask again at once. */
  done(cpuMicros: number, more: boolean): void
  /** There was nothing to send after all. */
  leave(): void
  /** What the batch under way has used by now, by the process's clock (microseconds). */
  progress(cpuMicros: number): void
  /** All that the process has used since it started, by its clock (microseconds). */
  audit(cpuMicros: number): void
  /** It worked since the last audit. */
  readonly unaudited: boolean
  /** The cell is gone. */
  end(): void
}

export interface Shares {
  /** `go` may be called from within any method here. */
  join(owner: string, go: () => void): Seat
  /** CPU time charged to each owner since the last call (microseconds). Called about once a second. */
  takeCpuMicros(): Map<string, number>
  /** How many cells wait for their owner's turn. */
  readonly held: number
  close(): void
}

export interface SharesOptions {
  /** Cores that the cells have together. */
  readonly cores: number
  readonly weightOf: (owner: string) => number
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number
}

/** How far ahead of the least served an owner may be (microseconds of CPU at weight 1): some batches' worth. */
const SLACK = 20_000
/** What an owner that wanted nothing for a while may use before others: it is more than SLACK, so a short call goes first. */
const CREDIT = 50_000
/** Whatever an owner has used: it waits at most until the others have had so much more. */
const LEAD = 2_000_000
/** An owner that waits gets one batch each so often. */
const HOLD_MS = 1_000
const LOOK_MS = 100

interface Account {
  readonly owner: string
  readonly weight: number
  virtual: number
  usedMicros: number
  seats: number
  /** Seats that want CPU: in the cell, about to be, or held. */
  wanting: number
  readonly held: Set<Place>
  waitsSinceMs: number
}

/** `lingering`: answered, and about to ask again; it keeps its core until then. `granted`: told to go. */
type State = 'out' | 'held' | 'granted' | 'busy' | 'lingering' | 'ended'

interface Place {
  readonly account: Account
  readonly go: () => void
  state: State
}

export function createShares(options: SharesOptions): Shares {
  const { cores } = options
  const nowMs = options.nowMs ?? ((): number => performance.now())
  const accounts = new Map<string, Account>()
  const active = new Set<Account>()
  const waiting = new Set<Account>()
  let busy = 0
  /** The virtual time of the machine; never runs back. */
  let floor = 0
  /** No active account is below; may be stale, but only downwards. */
  let base = 0
  let highest = 0
  let releasing = false
  let timer: NodeJS.Timeout | undefined

  const lowest = (): number => {
    let least = Infinity
    for (const { virtual } of active) if (virtual < least) least = virtual
    return least
  }

  const charge = (account: Account, micros: number): void => {
    account.usedMicros += micros
    account.virtual += micros / account.weight
    if (account.virtual > highest) highest = account.virtual
  }

  const want = (account: Account): void => {
    if (account.wanting++ > 0) return
    if (active.size > 0) floor = Math.max(floor, lowest())
    // Who slept has saved nothing up but a little credit.
    account.virtual = Math.max(account.virtual, floor - CREDIT)
    base = active.size === 0 ? account.virtual : Math.min(base, account.virtual)
    active.add(account)
  }

  const rest = (account: Account): void => {
    if (--account.wanting > 0) return
    active.delete(account)
    // Nobody wants anything: what was used before is no longer anybody's disadvantage.
    if (active.size === 0) floor = Math.max(floor, highest)
  }

  /** Whether one more of this account's batches may go beside `others`. */
  const admits = (account: Account, others: number): boolean => {
    if (account.virtual <= base + SLACK) return true
    base = lowest()
    if (others < cores) {
      // A core is free, so nobody goes without: being ahead means nothing.
      account.virtual = Math.min(account.virtual, base + SLACK)
      return true
    }
    account.virtual = Math.min(account.virtual, base + LEAD)
    return account.virtual <= base + SLACK
  }

  const hold = (place: Place): void => {
    const { account } = place
    place.state = 'held'
    if (account.held.size === 0) account.waitsSinceMs = nowMs()
    account.held.add(place)
    waiting.add(account)
    timer ??= setInterval(() => {
      release()
      if (waiting.size > 0) return
      clearInterval(timer)
      timer = undefined
    }, LOOK_MS).unref()
  }

  const unhold = (place: Place): void => {
    const { account } = place
    account.held.delete(place)
    if (account.held.size === 0) waiting.delete(account)
  }

  /** The account that is to go next, if one may. */
  const nextOf = (): Account | undefined => {
    let first: Account | undefined
    for (const account of waiting) if (first === undefined || account.virtual < first.virtual) first = account
    if (first === undefined || admits(first, busy)) return first
    const now = nowMs()
    for (const account of waiting) if (now - account.waitsSinceMs >= HOLD_MS) return account
    return undefined
  }

  const release = (): void => {
    if (releasing) return
    releasing = true
    try {
      for (let account = nextOf(); account !== undefined; account = nextOf()) {
        const [place] = account.held
        if (place === undefined) return
        unhold(place)
        account.waitsSinceMs = nowMs()
        place.state = 'granted'
        busy++
        place.go()
      }
    } finally {
      releasing = false
    }
  }

  const leave = (place: Place, state: State): void => {
    if (place.state === 'out' || place.state === 'ended') return
    if (place.state === 'held') unhold(place)
    else busy--
    place.state = state
    rest(place.account)
    if (waiting.size > 0) release()
  }

  const accountOf = (owner: string): Account => {
    let account = accounts.get(owner)
    if (account === undefined) {
      const weight = options.weightOf(owner)
      account = {
        owner,
        weight,
        virtual: 0,
        usedMicros: 0,
        seats: 0,
        wanting: 0,
        held: new Set(),
        waitsSinceMs: 0,
      }
      accounts.set(owner, account)
    }
    return account
  }

  return {
    join(owner, go) {
      const account = accountOf(owner)
      account.seats++
      const place: Place = { account, go, state: 'out' }
      /** Of the batch under way, charged by the process's clock. */
      let progressed = 0
      /** All that was charged, and what the process's clock said when that began. */
      let charged = 0
      let auditedMicros = -1
      let unaudited = false
      const pay = (micros: number): void => {
        if (!(micros > 0)) return
        charged += micros
        charge(account, micros)
      }
      return {
        get unaudited() {
          return unaudited
        },
        enter() {
          if (place.state === 'held' || place.state === 'ended') return false
          if (place.state !== 'granted') {
            const lingering = place.state === 'lingering'
            if (!lingering) want(account)
            const others = lingering ? busy - 1 : busy
            if (!admits(account, others)) {
              busy = others
              hold(place)
              return false
            }
            busy = others + 1
          }
          place.state = 'busy'
          unaudited = true
          return true
        },
        done(cpuMicros, more) {
          pay(cpuMicros - progressed)
          progressed = 0
          if (!more) leave(place, 'out')
          else if (place.state === 'busy') place.state = 'lingering'
          if (waiting.size > 0) release()
        },
        leave: () => leave(place, 'out'),
        progress(cpuMicros) {
          if (place.state !== 'busy' || cpuMicros <= progressed) return
          pay(cpuMicros - progressed)
          progressed = cpuMicros
          if (waiting.size > 0) release()
        },
        audit(cpuMicros) {
          // It goes on being looked at while it works; what it did before the first look is not counted.
          if (place.state !== 'busy') unaudited = false
          if (auditedMicros < 0) auditedMicros = cpuMicros - charged
          pay(cpuMicros - auditedMicros - charged)
        },
        end() {
          if (place.state === 'ended') return
          account.seats--
          leave(place, 'ended')
          place.state = 'ended'
        },
      }
    },
    takeCpuMicros() {
      const used = new Map<string, number>()
      for (const account of accounts.values()) {
        if (account.usedMicros > 0) used.set(account.owner, account.usedMicros)
        account.usedMicros = 0
        // Below the floor there is nothing to remember of it.
        if (account.seats === 0 && account.virtual <= floor - CREDIT) accounts.delete(account.owner)
      }
      return used
    },
    get held() {
      let count = 0
      for (const account of waiting) count += account.held.size
      return count
    },
    close() {
      clearInterval(timer)
      timer = undefined
    },
  }
}
