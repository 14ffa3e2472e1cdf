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
import type { Call, TurnLink } from './call.ts'
import type { CellEnd, LoadPayload, Resident } from './cell.ts'
import { createEntryPacer, type EntryPacer } from './entry-pacer.ts'
import { readOutput, type OutputHandler } from './guest-output.ts'
import { createGuestTimer, type GuestTimer } from './guest-timer.ts'
import type { RunQueue } from './run-queue.ts'
import { createTurnTable, type Turn } from './turn-table.ts'
import { judge } from './verdict.ts'

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
  readonly #timer: GuestTimer
  #messages = ''
  #bodies = ''
  #lastBatch = 0
  #lastCalls = 0
  #timerFired = false
  /** Is the output that is being read pure ASCII? */
  #ascii = false
  #gone = false
  accepting = false

  constructor(deps: ReplicaDeps) {
    this.#deps = deps
    this.#pacer = createEntryPacer(deps.limits)
    this.#handler = this.#createHandler()
    // During the start there is no turn, and its timers must fire all the same.
    this.#timer = createGuestTimer({
      rests: () => this.accepting && this.#turns.size === 0,
      onDue: () => {
        this.#timerFired = true
        deps.wake()
      },
    })
  }

  get turnCount(): number {
    return this.#turns.size
  }
  get solitary(): boolean {
    return this.accepting && (this.#deps.queue.peek()?.attempts ?? 0) > 0
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
        if (
          this.#lastCalls === most ||
          this.#turns.size >= limits.concurrency ||
          (alone && this.#lastCalls > 0)
        )
          break
        queue.shift()
        const turn = this.#turns.open(call, sequence)
        const message = call.encode(turn.id)
        messages = messages === '' ? message : `${messages},${message}`
        bodies += call.body
        this.#lastCalls++
        call.attach(this.#linkOf(turn))
        if (alone) break
      }
      if (this.#lastCalls > 0) this.#timer.resume()
      if (queue.peek() !== undefined && this.#turns.size < limits.concurrency) this.#deps.wake()
    }
    if (messages === '' && !this.#timerFired) return undefined
    this.#timerFired = false
    const budgetMs = this.#deps.armed() ? this.entryBudgetMs() : 0
    return { text: `[${messages}]\n${bodies}`, budgetMs }
  }

  /** Until it serves, what it runs is its start. */
  entryBudgetMs(): number {
    return this.accepting ? this.#pacer.budgetMs(this.#lastCalls) : this.#deps.limits.startupMs
  }

  loaded(description: unknown): void {
    this.#deps.onLoaded(description)
  }

  output(text: string, ascii: boolean, cpuMicros: number): void {
    this.#ascii = ascii
    // What a guest hands over before the end of its entry says nothing of the time yet.
    if (cpuMicros > 0) this.#pacer.measured(this.#lastCalls, cpuMicros)
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
    this.#end(
      { reason: fault.reason, message: fault.message, fault },
      this.#lastBatch,
      this.#isGuilt(fault.reason),
    )
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

  #end(
    end: { reason: ReplicaEnd['reason']; message: string; fault?: Fault },
    batch: number,
    guilt: boolean,
    suspect = false,
  ): void {
    if (this.#gone) return
    this.#gone = true
    this.#timer.close()
    const { retry, failed } = judge(this.#turns.clear(), batch, guilt, end.reason)
    for (const { call, code } of failed) call.failed(code, end.message)
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
      timer: (dueMs) => this.#timer.set(dueMs),
    }
  }
}
