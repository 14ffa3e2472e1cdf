/**
 * A deployment loaded in one cell: takes calls from its deployment's queue into turns, and carries what the guest says
 * back to them.
 *
 * An entry that is killed has had no effect (the cell takes back what it said), so calls that were new in it are
 * handed back to be tried once more, each by itself: only the one at fault fails, and it is known.
 */
import { BODY, FIRST_CALL_ID, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'
import type { Fault } from '../../sandbox/protocol/frame.ts'
import type { Call, TurnLink } from './call.ts'
import type { CellEnd, LoadPayload, Resident } from './cell.ts'
import { createEntryPacer, type EntryPacer } from './entry-pacer.ts'
import { readOutput } from './guest-output.ts'
import { createGuestCalls, type CallScope, type GuestCalls, type Perform } from './guest-calls.ts'
import { createGuestSockets, type GuestSockets } from './guest-sockets.ts'
import { createGuestTimer, type GuestTimer } from './guest-timer.ts'
import type { RunQueue } from './run-queue.ts'
import { createTurnOutput, type TurnOutput } from './turn-output.ts'
import { createTurnTable, touch, type Turn } from './turn-table.ts'
import { judge } from './verdict.ts'

export interface ReplicaDeps {
  readonly limits: Limits
  readonly payload: LoadPayload
  readonly queue: RunQueue
  /** Carries out what the guest asks of its capabilities. */
  readonly perform: Perform
  /** Something is to be said to the guest. */
  readonly wake: () => void
  /** The engine's timer is to be armed: the deployment has no history yet, or a bad one. */
  readonly armed: () => boolean
  readonly onLoaded: (description: unknown, atOnce: boolean) => void
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
  readonly #turns = createTurnTable((turn) => {
    this.#calls.endTurn(turn.id)
    this.#sockets.remove(turn)
  })
  readonly #sockets: GuestSockets
  readonly #calls: GuestCalls
  readonly #pacer: EntryPacer
  readonly #handler: TurnOutput
  readonly #timer: GuestTimer
  #messages = ''
  #bodies = ''
  #lastBatch = 0
  #lastCalls = 0
  #lastMessages = 0
  #timerFired = false
  #gone = false
  accepting = false

  constructor(deps: ReplicaDeps) {
    this.#deps = deps
    this.#pacer = createEntryPacer(deps.limits)
    this.#calls = createGuestCalls({
      limit: deps.limits.calls,
      perform: deps.perform,
      scopeOf: (turn) => this.#scopeOf(turn),
      say: (message, body) => this.#say(message, body, !this.#rests()),
    })
    this.#sockets = createGuestSockets({ limit: deps.limits.sockets, wake: deps.wake })
    this.#handler = createTurnOutput({
      turns: this.#turns,
      calls: this.#calls,
      timer: (dueMs) => this.#timer.set(dueMs),
      onPending: (turn) => this.#sockets.end(turn),
    })
    this.#timer = createGuestTimer({
      rests: () => this.#rests(),
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
    this.#lastMessages = 0
    if (this.accepting) {
      const { queue } = this.#deps
      const most = this.#pacer.callsPerEntry()
      if (!this.solitary) {
        const said = this.#sockets.take(most)
        if (said.count > 0) messages = messages === '' ? said.messages : `${messages},${said.messages}`
        bodies += said.bodies
        this.#lastMessages = said.count
      }
      for (let call = queue.peek(); call !== undefined; call = queue.peek()) {
        const alone = call.attempts > 0
        if (
          this.#lastCalls === most ||
          !this.#hasRoom() ||
          (alone && this.#lastCalls + this.#lastMessages > 0)
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
      if (this.#sockets.isWaiting || (queue.peek() !== undefined && this.#hasRoom())) this.#deps.wake()
    }
    if (messages === '' && !this.#timerFired) return undefined
    this.#timerFired = false
    const budgetMs = this.#deps.armed() ? this.entryBudgetMs() : 0
    return { text: `[${messages}]\n${bodies}`, budgetMs }
  }

  /** Until it serves, what it runs is its start. */
  entryBudgetMs(): number {
    return this.accepting
      ? this.#pacer.budgetMs(this.#lastCalls + this.#lastMessages)
      : this.#deps.limits.startupMs
  }

  get loadBudgetMs(): number {
    return this.#deps.limits.startupMs
  }

  loaded(description: unknown, atOnce: boolean): void {
    this.#deps.onLoaded(description, atOnce)
  }

  output(text: string, ascii: boolean, cpuMicros: number): void {
    this.#handler.ascii = ascii
    // What a guest hands over before the end of its entry says nothing of the time yet.
    if (cpuMicros > 0) this.#pacer.measured(this.#lastCalls + this.#lastMessages, cpuMicros)
    readOutput(text, this.#handler)
    this.#deps.onTurnEnd()
  }

  bytes(id: number, payload: Buffer): void {
    if (id >= FIRST_CALL_ID) return this.#calls.get(id)?.push(payload, BODY.bytes)
    const turn = touch(this.#turns, id)
    if (turn !== undefined && !turn.settled) turn.call.data(payload, BODY.bytes)
  }

  log(level: number, text: string): void {
    this.#deps.onLog(level, text)
  }

  faulted(fault: Fault): void {
    this.#end(
      { reason: fault.reason, message: fault.message, fault },
      this.#lastBatch,
      GUILT.has(fault.reason),
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

  /** Asks what lasts to end; `replaced`: whoever comes back finds another version. */
  shut(replaced: boolean): void {
    this.#sockets.shut(...(replaced ? SERVICE_RESTART : GOING_AWAY))
  }

  /** Room for another call; what lasts is counted apart. */
  #hasRoom(): boolean {
    return this.#turns.size - this.#sockets.size < this.#deps.limits.concurrency
  }

  /** Tells the guest that nobody waits for these turns, and forgets them. */
  expire(atMs: number, wallMs: number): void {
    this.#calls.expire(atMs)
    for (const turn of this.#turns.values()) {
      if (turn.lasts || atMs - turn.wallFromMs < wallMs) continue
      this.#say(`[${TO_GUEST.cancel},${turn.id},"VELA_TURN_EXCEEDED_WALL"]`, '')
      this.#turns.close(turn)
      if (!turn.settled) turn.call.failed('VELA_TURN_EXCEEDED_WALL', `No answer within ${wallMs} ms`)
      this.#deps.onTurnEnd()
    }
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
    this.#calls.clear()
    this.#sockets.clear()
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
        this.#sockets.end(turn)
        if (open()) this.#say(`[${TO_GUEST.cancel},${turn.id},${JSON.stringify(code)}]`, '')
      },
      endure: () => open() && this.#sockets.endure(turn),
      openSocket: (onRoom) => (open() ? this.#sockets.open(turn, onRoom) : undefined),
    }
  }

  /** Nobody waits for it: no timer fires and no answer is heard before the next turn, or calling again would never end. */
  #rests(): boolean {
    return this.accepting && this.#turns.size === 0
  }

  #say(message: string, body: string, wakes: boolean = true): void {
    this.#messages = this.#messages === '' ? message : `${this.#messages},${message}`
    this.#bodies += body
    if (wakes) this.#deps.wake()
  }

  /** Of a turn that is not known: the longest that any in flight may take, and the deepest. */
  #scopeOf(id: number): CallScope {
    const { wallMs } = this.#deps.limits
    const turn = touch(this.#turns, id)
    if (turn !== undefined) {
      const { requestId, depth } = turn.call
      const fromMs = turn.lasts ? performance.now() : turn.wallFromMs
      return { requestId, deadlineMs: fromMs + wallMs, depth }
    }
    let depth = 0
    for (const other of this.#turns.values()) {
      other.touched = true
      depth = Math.max(depth, other.call.depth)
    }
    return { requestId: '', deadlineMs: performance.now() + wallMs, depth }
  }
}

const GUILT: ReadonlySet<string> = new Set(['exceeded-cpu', 'exceeded-memory', 'exceeded-output'])
const INNOCENT: ReadonlySet<string> = new Set(['starved', 'exited', 'killed', 'stuck'])

/** It says nothing about the guest: a busy machine, a cell that was lost. */
export const isInnocent = (end: ReplicaEnd): boolean => INNOCENT.has(end.reason)

/** Codes of RFC 6455's registry. */
const SERVICE_RESTART: readonly [number, string] = [1012, 'service restart']
const GOING_AWAY: readonly [number, string] = [1001, 'going away']
