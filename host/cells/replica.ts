/**
 * A deployment loaded in one cell: takes calls from its deployment's queue into turns, and carries what the guest says
 * back to them.
 *
 * An entry that is killed has had no effect (the cell takes back what it said), so calls that were new in it are
 * handed back to be tried once more, each by itself: only the one at fault fails, and it is known.
 */
import { BODY, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'
import type { Fault } from '../../sandbox/protocol/frame.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { Call, TurnLink } from './call.ts'
import { nowMs, type CellEnd, type LoadPayload, type Resident } from './cell.ts'
import { createEntryPacer, type EntryPacer } from './entry-pacer.ts'
import { readOutput, type OutputHandler } from './guest-output.ts'
import type { RunQueue } from './run-queue.ts'
import { createTurnTable, type Turn } from './turn-table.ts'

export interface ReplicaDeps {
  readonly limits: Limits
  readonly payload: LoadPayload
  readonly queue: RunQueue
  /** Something is to be said to the guest. */
  readonly wake: () => void
  /** The engine's timer is to be armed: the deployment has no history yet, or a bad one. */
  readonly armed: () => boolean
  readonly onLoaded: (description: unknown) => void
  readonly onLog: (level: number, text: string) => void
  readonly onTurnEnd: () => void
  /** The isolate is gone. `retry` are calls that may be tried again. */
  readonly onGone: (end: ReplicaEnd) => void
}

export interface ReplicaEnd {
  readonly reason: Fault['reason'] | CellEnd
  readonly message: string
  readonly fault?: Fault
  /** Was the guest itself at fault, as far as can be known? */
  readonly guilty: boolean
  readonly retry: readonly Call[]
}

export class Replica implements Resident {
  readonly #deps: ReplicaDeps
  readonly #turns = createTurnTable()
  readonly #pacer: EntryPacer
  readonly #handler: OutputHandler
  #messages = ''
  #bodies = ''
  #lastBatch = 0
  #lastCalls = 0
  #timer: NodeJS.Timeout | undefined
  #timerDueMs = 0
  #timerFired = false
  /** Is the output that is being read pure ASCII? */
  #ascii = false
  #gone = false
  #isLoaded = false
  accepting = false

  constructor(deps: ReplicaDeps) {
    this.#deps = deps
    this.#pacer = createEntryPacer(deps.limits)
    this.#handler = this.#createHandler()
  }

  get turnCount(): number {
    return this.#turns.size
  }
  get gone(): boolean {
    return this.#gone
  }

  get payload(): LoadPayload {
    return this.#deps.payload
  }

  takeEntry(sequence: number): { text: string; budgetMs: number } | undefined {
    let messages = this.#messages
    let bodies = this.#bodies
    this.#messages = ''
    this.#bodies = ''
    this.#lastBatch = sequence
    this.#lastCalls = 0
    if (this.accepting) {
      const { queue, limits } = this.#deps
      const most = this.#pacer.callsPerEntry()
      for (let call = queue.peek(); call !== undefined; call = queue.peek()) {
        const alone = call.attempts > 0
        if (this.#lastCalls === most || this.#turns.size >= limits.concurrency || (alone && this.#lastCalls > 0)) break
        queue.shift()
        const turn = this.#turns.open(call, sequence)
        const message = call.encode(turn.id)
        messages = messages === '' ? message : `${messages},${message}`
        bodies += call.body
        this.#lastCalls++
        call.attach(this.#linkOf(turn))
        if (alone) break
      }
      if (this.#lastCalls > 0) this.#resumeTimers()
      if (queue.peek() !== undefined && this.#turns.size < limits.concurrency) this.#deps.wake()
    }
    if (messages === '' && !this.#timerFired) return undefined
    this.#timerFired = false
    const budgetMs = this.#deps.armed() ? this.entryBudgetMs() : 0
    return { text: `[${messages}]\n${bodies}`, budgetMs }
  }

  entryBudgetMs(): number {
    return this.#isLoaded ? this.#pacer.budgetMs(this.#lastCalls) : this.#deps.limits.startupMs
  }

  loaded(description: unknown): void {
    this.#isLoaded = true
    this.#deps.onLoaded(description)
  }

  output(text: string, ascii: boolean, cpuMicros: number): void {
    this.#ascii = ascii
    this.#pacer.measured(this.#lastCalls, cpuMicros)
    readOutput(text, this.#handler)
    this.#deps.onTurnEnd()
  }

  bytes(id: number, payload: Buffer): void {
    const turn = this.#touch(id)
    if (turn !== undefined && !turn.settled) turn.call.data(payload, BODY.bytes)
  }

  log(level: number, text: string): void {
    this.#deps.onLog(level, text)
  }

  faulted(fault: Fault): void {
    this.#end({ reason: fault.reason, message: fault.message, fault }, this.#lastBatch, this.#isGuilt(fault.reason))
  }

  cellLost(reason: CellEnd, during: number): void {
    const entered = during !== 0 && this.#lastBatch === during
    const guilt = entered && (reason === 'exceeded-cpu' || reason === 'exceeded-memory')
    // Who broke the process is not known; but who was in it each time it broke must be paused at last.
    const suspect = entered && (reason === 'exited' || reason === 'protocol')
    this.#end({ reason, message: `The cell ended (${reason})` }, during, guilt, suspect)
  }

  /** Takes a call that does not queue: the lifecycle hooks of the guest. */
  offer(call: Call): void {
    const turn = this.#turns.open(call, 0)
    call.attach(this.#linkOf(turn))
    this.#say(call.encode(turn.id), call.body)
  }

  /** Tells the guest that nobody waits for these turns, and forgets them. */
  expire(atMs: number, wallMs: number): void {
    for (const turn of this.#turns.values()) {
      if (atMs - turn.call.startedMs < wallMs) return
      this.#say(`[${TO_GUEST.cancel},${turn.id},"VELA_TURN_EXCEEDED_WALL"]`, '')
      this.#turns.close(turn)
      if (!turn.settled) turn.call.failed('VELA_TURN_EXCEEDED_WALL', `No answer within ${wallMs} ms`)
      this.#deps.onTurnEnd()
    }
  }

  #isGuilt(reason: Fault['reason']): boolean {
    return reason === 'exceeded-cpu' || reason === 'exceeded-memory' || reason === 'exceeded-output'
  }

  #end(end: { reason: ReplicaEnd['reason']; message: string; fault?: Fault }, batch: number, guilt: boolean, suspect = false): void {
    if (this.#gone) return
    this.#gone = true
    clearTimeout(this.#timer)
    const retry: Call[] = []
    const turns = this.#turns.clear()
    const fresh = turns.filter((turn) => turn.batch === batch && !turn.touched)
    const suspects = guilt ? (fresh.length > 0 ? fresh : turns) : []
    const proven = suspects.length === 1
    for (const turn of turns) {
      if (turn.settled) continue
      const isFresh = turn.batch === batch && !turn.touched
      if (suspects.includes(turn) && (proven || turn.call.attempts > 0 || !isFresh)) {
        turn.call.failed(CODES[end.reason] ?? 'VELA_CELL_LOST', end.message)
      } else if (isFresh && turn.call.attempts < MAX_ATTEMPTS) {
        turn.call.attempts++
        retry.push(turn.call)
      } else turn.call.failed('VELA_CELL_LOST', end.message)
    }
    this.#deps.onGone({ ...end, guilty: guilt || suspect, retry })
  }

  #linkOf(turn: Turn): TurnLink {
    const open = (): boolean => !this.#gone && this.#turns.get(turn.id) === turn
    return {
      sendBody: (part, last) => {
        if (open()) this.#say(`[${TO_GUEST.data},${turn.id},${part.length},${last}]`, part)
      },
      grant: (bytes) => {
        if (open()) this.#say(`[${TO_GUEST.credit},${turn.id},${bytes}]`, '')
      },
      cancel: (code) => {
        if (open()) this.#say(`[${TO_GUEST.cancel},${turn.id},${JSON.stringify(code)}]`, '')
      },
    }
  }

  #say(message: string, body: string): void {
    this.#messages = this.#messages === '' ? message : `${this.#messages},${message}`
    this.#bodies += body
    this.#deps.wake()
  }

  /** The turn of that id, marked as having had effects; undefined when it is over. */
  #touch(id: number): Turn | undefined {
    const turn = this.#turns.get(id)
    if (turn !== undefined) turn.touched = true
    return turn
  }

  #settle(turn: Turn, pending: boolean): void {
    turn.settled = true
    turn.pending = pending
    if (!pending) this.#turns.close(turn)
  }

  #createHandler(): OutputHandler {
    const unsettled = (id: number): Turn | undefined => {
      const turn = this.#touch(id)
      if (turn?.settled === true) throw new ProtocolViolation(`Turn ${id} settles twice`)
      return turn
    }
    return {
      response: (id, status, headers, kind, body, pending) => {
        const turn = unsettled(id)
        if (turn === undefined) return
        turn.pending = pending
        if (kind !== BODY.stream) this.#settle(turn, pending)
        turn.call.head(status, headers, kind, body, this.#ascii)
      },
      value: (id, json, pending) => {
        const turn = unsettled(id)
        if (turn === undefined) return
        this.#settle(turn, pending)
        turn.call.value(json)
      },
      threw: (id, error, pending) => {
        const turn = unsettled(id)
        if (turn === undefined) return
        this.#settle(turn, pending)
        turn.call.threw(error)
      },
      data: (id, part, kind) => {
        const turn = this.#touch(id)
        if (turn !== undefined && !turn.settled) turn.call.data(part, kind)
      },
      end: (id, broken) => {
        const turn = this.#touch(id)
        if (turn === undefined || turn.settled) return
        this.#settle(turn, turn.pending)
        turn.call.end(broken)
      },
      settled: (id) => {
        const turn = this.#touch(id)
        if (turn === undefined) return
        if (turn.settled) this.#turns.close(turn)
        else turn.pending = false
      },
      credit: (id, bytes) => this.#touch(id)?.call.wants(bytes),
      timer: (dueMs) => this.#arm(dueMs),
    }
  }

  /** Timers fire while a turn is in flight; a service nobody calls stands still. */
  #arm(dueMs: number): void {
    this.#timerDueMs = dueMs
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (dueMs === 0 || this.#gone) return
    const delayMs = Math.max(1, dueMs - nowMs())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#gone || this.#turns.size === 0) return
      // Timers of the host may fire a little early; the guest would find nothing due and say nothing more.
      if (nowMs() < dueMs) return this.#arm(dueMs)
      this.#timerFired = true
      this.#deps.wake()
    }, Math.min(delayMs, MAX_TIMER_MS))
  }

  /** A turn opens after a rest: timers that fell due meanwhile fire now. */
  #resumeTimers(): void {
    if (this.#timer === undefined && this.#timerDueMs !== 0) this.#arm(this.#timerDueMs)
  }
}

const MAX_ATTEMPTS = 1
const MAX_TIMER_MS = 0x7fff_ffff

const CODES: Readonly<Record<string, ErrorCode>> = {
  'exceeded-cpu': 'VELA_TURN_EXCEEDED_CPU',
  'exceeded-memory': 'VELA_TURN_EXCEEDED_MEMORY',
  'exceeded-output': 'VELA_GUEST_RESPONSE_TOO_LARGE',
}
