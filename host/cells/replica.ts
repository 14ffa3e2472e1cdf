/**
 * A deployment loaded in one cell: takes calls from its deployment's queue into turns, and carries what the guest says
 * back to them.
 *
 * An entry that is killed has had no effect (the cell takes back what it said), so calls that were new in it are
 * handed back to be tried once more, each by itself: only the one at fault fails, and it is known.
 */
import { BODY, FIRST_CALL_ID, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import type { Fault } from '../../sandbox/protocol/frame.ts'
import type { Call } from './call.ts'
import type { CellEnd, LoadPayload, Resident } from './cell.ts'
import { createEntryPacer, type EntryPacer } from './entry-pacer.ts'
import { readOutput } from './guest-output.ts'
import { createGuestCalls, type GuestCalls } from './guest-calls.ts'
import { createGuestSockets, type GuestSockets } from './guest-sockets.ts'
import { createGuestTimer, type GuestTimer } from './guest-timer.ts'
import { createHome, type Home, type HomeKeeper } from './home.ts'
import type { ReplicaDeps, ReplicaEnd } from './replica-deps.ts'
import { createTurnLink, type TurnLinkDeps } from './turn-link.ts'
import { createTurnOutput, type TurnOutput } from './turn-output.ts'
import { createTurnTable, touch } from './turn-table.ts'
import { scopeOf } from './turn-scope.ts'
import { isGuilty, judge, textOf } from './verdict.ts'

export type { ReplicaEnd } from './replica-deps.ts'

export class Replica implements Resident {
  readonly #deps: ReplicaDeps
  readonly #turns = createTurnTable((turn) => {
    this.#calls.endTurn(turn.id)
    this.#sockets.remove(turn)
    if (turn.pinned) this.#pinnedTurns--
  })
  readonly #keeper: HomeKeeper
  readonly #link: TurnLinkDeps
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
  #pinnedTurns = 0
  #tookPinned = false
  #gone = false
  accepting = false

  constructor(deps: ReplicaDeps) {
    this.#deps = deps
    this.#pacer = createEntryPacer(deps.limits)
    this.#keeper = createHome({
      queueLength: deps.limits.queueLength,
      wake: deps.wake,
      turns: () => this.#turns.size,
      hears: () => !this.#rests(),
    })
    this.#calls = createGuestCalls({
      origin: this.home,
      limit: deps.limits.calls,
      perform: deps.perform,
      scopeOf: (turn) => scopeOf(this.#turns, turn, deps.limits.wallMs),
      say: (message, body) => this.#say(message, body, !this.#rests()),
    })
    this.#sockets = createGuestSockets({
      limit: deps.limits.sockets,
      wake: deps.wake,
      onEndure: deps.onRoom,
    })
    this.#link = {
      sockets: this.#sockets,
      isOpen: (turn) => !this.#gone && this.#turns.get(turn.id) === turn,
      say: (message, body) => this.#say(message, body),
    }
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
  /** Turns of calls that came by the queue; what lasts is counted apart. */
  get sharedTurns(): number {
    const { size, pinnedSize } = this.#sockets
    return this.#turns.size - this.#pinnedTurns - (size - pinnedSize)
  }
  /** WebSockets and event streams that are open. */
  get lastingTurns(): number {
    return this.#sockets.size
  }
  /** Pinned calls that wait. */
  get pinnedCount(): number {
    return this.#keeper.pinned.length
  }
  setResting(resting: boolean): void {
    this.#keeper.setResting(resting)
  }
  get home(): Home {
    return this.#keeper.home
  }
  get solitary(): boolean {
    return this.accepting && (this.#next()?.attempts ?? 0) > 0
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
      const most = this.#pacer.callsPerEntry()
      if (!this.solitary) {
        const said = this.#sockets.take(most)
        if (said.count > 0) messages = messages === '' ? said.messages : `${messages},${said.messages}`
        bodies += said.bodies
        this.#lastMessages = said.count
      }
      if (this.#deps.queue.peek() === undefined) this.#deps.refill(most)
      while (this.#lastCalls < most) {
        const call = this.#next()
        if (call === undefined) break
        const pinned = call === this.#nextPinned()
        const alone = call.attempts > 0
        if (alone && this.#lastCalls + this.#lastMessages > 0) break
        this.#tookPinned = pinned
        if (pinned) {
          this.#keeper.pinned.shift()
          this.#pinnedTurns++
        } else this.#deps.queue.shift()
        const turn = this.#turns.open(call, sequence, pinned)
        const message = call.encode(turn.id)
        messages = messages === '' ? message : `${messages},${message}`
        bodies += call.body
        this.#lastCalls += call.weight ?? 1
        call.attach(createTurnLink(this.#link, turn))
        if (alone) break
      }
      if (this.#lastCalls > 0) this.#timer.resume()
      if (this.#sockets.isWaiting || this.#nextPinned() !== undefined) this.#deps.wake()
      if (this.#nextQueued() !== undefined) this.#deps.onLeftover()
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
    if (this.accepting && !this.#deps.isUp()) return
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
      isGuilty(fault.reason),
    )
  }

  cellLost(reason: CellEnd, during: number): void {
    const entered = during !== 0 && this.#lastBatch === during
    const guilt = entered && (reason === 'exceeded-cpu' || reason === 'exceeded-memory')
    // Who broke the process is not known; but who was in it each time it broke must be paused at last.
    const suspect = entered && (reason === 'exited' || reason === 'protocol')
    this.#end({ reason, message: textOf(reason) }, during, guilt, suspect)
  }

  /** Takes a call that does not queue: the lifecycle hooks of the guest. */
  offer(call: Call): void {
    const turn = this.#turns.open(call, 0)
    call.attach(createTurnLink(this.#link, turn))
    this.#say(call.encode(turn.id), call.body)
  }

  /** Asks what lasts to end; `replaced`: whoever comes back finds another version. */
  shut(replaced: boolean): void {
    this.#sockets.shut(...(replaced ? SERVICE_RESTART : GOING_AWAY))
  }

  /** Of both kinds in turn: neither may keep the other waiting for ever. */
  #next(): Call | undefined {
    const pinned = this.#nextPinned()
    if (pinned === undefined) return this.#nextQueued()
    return this.#tookPinned ? (this.#nextQueued() ?? pinned) : pinned
  }

  /** The next call for this replica alone, if there is room. They have room of their own, or two full replicas that call each other would wait for ever. */
  #nextPinned(): Call | undefined {
    const turns = this.#pinnedTurns - this.#sockets.pinnedSize
    return turns < this.#deps.limits.concurrency ? this.#keeper.pinned.peek() : undefined
  }

  /** The next call of the queue, if there is room for it. */
  #nextQueued(): Call | undefined {
    return this.#deps.hasRoom() ? this.#deps.queue.peek() : undefined
  }

  /** Tells the guest that nobody waits for these turns, and forgets them. */
  expire(atMs: number, wallMs: number): void {
    this.#calls.expire(atMs)
    for (const call of this.#keeper.pinned.takeOlderThan(atMs - wallMs))
      call.failed('VELA_TURN_EXCEEDED_WALL', 'The call waited too long')
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
    // Before any call hears of it: who tries again must not be sent here.
    this.#keeper.close(end.reason !== 'stopped')
    const { retry, failed } = judge(this.#turns.clear(), batch, guilt, end.reason)
    for (const { call, code } of failed) call.failed(code, end.message)
    this.#deps.onGone({ ...end, guilty: guilt || suspect, retry })
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
}

/** Codes of RFC 6455's registry. */
const SERVICE_RESTART: readonly [number, string] = [1012, 'service restart']
const GOING_AWAY: readonly [number, string] = [1001, 'going away']
