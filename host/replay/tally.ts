/**
 * Counts the turns of a recording by how they ended, from the messages both ways. It only looks: what it cannot read
 * (a recording may hold anything) it leaves out.
 */
import { BODY, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import { FROM_CELL, TO_CELL, type Fault, type Frame } from '../../sandbox/protocol/frame.ts'
import { textOf } from '../../sandbox/protocol/frame-writer.ts'
import { readOutput, type OutputHandler } from '../cells/guest-output.ts'
import { faultOf, isKill } from './compare.ts'
import type { Step } from './recording.ts'

/** 'killed': its entry was ended; 'lost': another entry's end took it along; 'unfinished': the recording ended first. */
export type TurnOutcome =
  | 'responded'
  | 'returned'
  | 'threw'
  | 'broken-off'
  | 'canceled'
  | 'killed'
  | 'lost'
  | 'unfinished'

export interface KilledEntry {
  readonly batch: number
  /** The number of the guest in its cell; 0 when the host ended the cell as a whole. */
  readonly guest: number
  readonly by: 'cell' | 'host'
  readonly reason: string
  readonly message: string
  /** Requests that were new in the entry, as far as they have an id. */
  readonly requestIds: readonly string[]
}

export interface Tally {
  step(step: Step): void
  /** The host killed the cell during this step. */
  killedByHost(step: Step, reason: string, message: string): void
  turns(): Partial<Record<TurnOutcome, number>>
  readonly killed: readonly KilledEntry[]
}

interface OpenTurn {
  readonly requestId: string
  canceled: boolean
}

const MAX_KILLED = 1000

export function createTally(): Tally {
  const counts = new Map<TurnOutcome, number>()
  const guests = new Map<number, Map<number, OpenTurn>>()
  const killed: KilledEntry[] = []

  const count = (outcome: TurnOutcome): void => void counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  const turnsOf = (guest: number): Map<number, OpenTurn> => {
    let turns = guests.get(guest)
    if (turns === undefined) guests.set(guest, (turns = new Map<number, OpenTurn>()))
    return turns
  }
  /** All turns of the guest end; those of this batch by the kill, the others with it. */
  const endGuest = (guest: number, fresh: ReadonlySet<number>): void => {
    for (const [id, turn] of turnsOf(guest))
      count(fresh.has(id) ? 'killed' : turn.canceled ? 'canceled' : 'lost')
    guests.delete(guest)
  }
  const settle = (guest: number, id: number, outcome: TurnOutcome): void => {
    if (turnsOf(guest).delete(id)) count(outcome)
  }
  const handlerOf = (guest: number): OutputHandler => ({
    response: (id, status, _headers, kind) =>
      kind !== BODY.stream && status !== 101 && settle(guest, id, 'responded'),
    value: (id) => settle(guest, id, 'returned'),
    threw: (id) => settle(guest, id, 'threw'),
    data: () => undefined,
    end: (id, broken) => settle(guest, id, broken ? 'broken-off' : 'responded'),
    settled: () => undefined,
    credit: () => undefined,
    timer: () => undefined,
    call: () => undefined,
    drop: () => undefined,
    message: () => undefined,
    close: () => undefined,
    forward: (id) => settle(guest, id, 'responded'),
  })

  /** Opens the turns of an entry; the ids that are new. */
  const enter = (frame: Frame): Set<number> => {
    const fresh = new Set<number>()
    const turns = turnsOf(frame.guest)
    for (const message of messagesOf(frame)) {
      const id = message[1]
      if (typeof id !== 'number') continue
      if (message[0] === TO_GUEST.invoke) {
        turns.set(id, { requestId: typeof message[8] === 'string' ? message[8] : '', canceled: false })
        fresh.add(id)
      } else if (message[0] === TO_GUEST.cancel) {
        const turn = turns.get(id)
        if (turn !== undefined) turn.canceled = true
      }
    }
    return fresh
  }
  const open = (step: Step): Map<number, Set<number>> => {
    const fresh = new Map<number, Set<number>>()
    for (const frame of step.sent) {
      if (frame.kind === TO_CELL.enter) fresh.set(frame.guest, enter(frame))
      else if (frame.kind === TO_CELL.drop) endGuest(frame.guest, NOTHING)
    }
    return fresh
  }
  const requestIdsOf = (guest: number, fresh: ReadonlySet<number>): string[] =>
    [...fresh].flatMap((id) => turnsOf(guest).get(id)?.requestId || [])
  const report = (entry: KilledEntry): void => {
    if (killed.length < MAX_KILLED) killed.push(entry)
  }

  return {
    killed,
    step(step) {
      const batch = step.sequence
      const fresh = open(step)
      for (const frame of step.answer) {
        const { guest } = frame
        const fault = faultOf(frame)
        if (fault !== undefined) {
          const entered = fresh.get(guest) ?? NOTHING
          if (isKill(fault))
            report({ batch, guest, by: 'cell', ...reasonOf(fault), requestIds: requestIdsOf(guest, entered) })
          endGuest(guest, entered)
        } else if (frame.kind === FROM_CELL.output) read(textOf(frame.flags, frame.payload), handlerOf(guest))
      }
    },
    killedByHost(step, reason, message) {
      const batch = step.sequence
      const requestIds: string[] = []
      for (const [guest, ids] of open(step)) {
        requestIds.push(...requestIdsOf(guest, ids))
        endGuest(guest, ids)
      }
      for (const guest of guests.keys()) endGuest(guest, NOTHING)
      report({ batch, guest: 0, by: 'host', reason, message, requestIds })
    },
    turns() {
      const all = new Map(counts)
      for (const turns of guests.values()) {
        for (const { canceled } of turns.values()) {
          const outcome = canceled ? 'canceled' : 'unfinished'
          all.set(outcome, (all.get(outcome) ?? 0) + 1)
        }
      }
      return Object.fromEntries(all)
    },
  }
}

const reasonOf = ({ reason, message }: Fault): { reason: string; message: string } => ({ reason, message })

const NOTHING: ReadonlySet<number> = new Set<number>()

function messagesOf({ payload }: Frame): unknown[][] {
  try {
    const text = payload.toString('latin1')
    const messages: unknown = JSON.parse(text.slice(0, text.indexOf('\n')))
    return Array.isArray(messages) ? messages.filter((message) => Array.isArray(message)) : []
  } catch {
    return []
  }
}

function read(text: string, handler: OutputHandler): void {
  try {
    readOutput(text, handler)
  } catch {
    // A cell that had been taken over; the host killed it at this frame.
  }
}
