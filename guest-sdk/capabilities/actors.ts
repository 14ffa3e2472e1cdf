/**
 * The guest's half of the `actors` capability: `env.CART` is a namespace of actors of one class. An actor of this service that lives in
 * this very isolate is reached without the host (guest-sdk/kernel/actors); for every other the host is asked, which knows
 * where it lives or makes it live here.
 */
import { readPriority } from '../concurrency/mailbox.ts'
import type { CallResult } from '../kernel/calls.ts'
import type { CapabilityFactory, CapabilityKit, Power } from '../kernel/capabilities.ts'
import type { Activation } from '../kernel/actors/activation.ts'
import { listOf, methodOf, nameOf, readWait } from '../kernel/actors/call-args.ts'
import { defer, ignore, quiet, rejection } from '../kernel/actors/intrinsics.ts'
import { localMessage, sentMessage } from '../kernel/actors/message.ts'
import { createActorTable, type ActorTable, type Answer } from '../kernel/actors/table.ts'
import type { ResponseHead } from '../kernel/web-contract.ts'

interface Options {
  readonly class: string
  /** Of this service. */
  readonly own: boolean
}

interface Sending {
  readonly deadlineMs: number
  readonly priority: number
}

interface Shared {
  readonly kit: CapabilityKit
  readonly table: ActorTable
}

/** How long an answer may take if nobody says (milliseconds). */
const ASK_MS = 10_000
const FETCH_MS = 30_000
/** How often an actor may turn out to have moved meanwhile. */
const MOST_MOVES = 5

export const usesCodec = true
export const create: CapabilityFactory = (kit) => {
  const shared: Shared = {
    kit,
    table: createActorTable(kit, (power, className, name) =>
      new ActorNamespace(shared, power, { class: className, own: true }).get(name),
    ),
  }
  return (power, options) => {
    const given = options as Options
    if (given.own) shared.table.grant(given.class, power)
    return Object.freeze(new ActorNamespace(shared, power, given))
  }
}

class ActorNamespace {
  readonly #shared: Shared
  readonly #power: Power
  readonly #options: Options

  constructor(shared: Shared, power: Power, options: Options) {
    this.#shared = shared
    this.#power = power
    this.#options = options
  }

  get(id: unknown): object {
    return this.#stub(nameOf(id))
  }

  getByName(name: unknown): object {
    return this.#stub(nameOf(name))
  }

  idFromName(name: unknown): object {
    const text = nameOf(name)
    return Object.freeze({ class: this.#options.class, name: text, toString: () => text })
  }

  async ask(
    id: unknown,
    method: unknown,
    args: unknown = [],
    options: unknown = undefined,
  ): Promise<unknown> {
    const { deadlineMs, priority } = (options ?? {}) as { deadlineMs?: unknown; priority?: unknown }
    const waitMs = deadlineMs === undefined ? ASK_MS : readWait(deadlineMs)
    const sending = { deadlineMs: this.#deadline(waitMs), priority: readPriority(priority) }
    return await this.#ask(nameOf(id), methodOf(method), listOf(args), sending)
  }

  async tell(id: unknown, method: unknown, args: unknown = [], options: unknown = undefined): Promise<void> {
    const { priority } = (options ?? {}) as { priority?: unknown }
    const sending = { deadlineMs: Infinity, priority: readPriority(priority) }
    await this.#tell(nameOf(id), methodOf(method), listOf(args), sending)
  }

  /** How many messages wait for it; 0 if it is not active. */
  async depth(id: unknown): Promise<number> {
    const name = nameOf(id)
    const here = this.#options.own
      ? this.#shared.table.find(this.#options.class, name)?.activation
      : undefined
    if (here !== undefined) return here.mailbox.depth
    return (await this.#power.call('depth', [name])).value as number
  }

  get [Symbol.toStringTag](): string {
    return 'ActorNamespace'
  }

  #stub(name: string): object {
    const methods = { __proto__: null } as unknown as Record<string, unknown>
    methods['fetch'] = (input: unknown, init?: unknown) => this.#fetch(name, input, init)
    // Any name may be a method of the actor. `then` is none, or awaiting the stub would call it.
    return new Proxy(Object.freeze({ __proto__: null }), {
      // Traps that are not here must not be found on Object.prototype, where the guest could put some.
      __proto__: null,
      get: (_target: object, method: string | symbol) => {
        if (typeof method !== 'string' || method === 'then') return undefined
        return (methods[method] ??= (...args: unknown[]) =>
          this.#ask(name, method, args, { deadlineMs: this.#deadline(ASK_MS), priority: 0 }))
      },
    } as ProxyHandler<object>)
  }

  /** What asks on behalf of a message has no longer than that. */
  #deadline(waitMs: number): number {
    const own = this.#shared.kit.now() + waitMs
    const inherited = this.#power.scope.deadlineMs()
    return inherited < own ? inherited : own
  }

  /** Where it lives, if that is here and nothing that was sent earlier could be overtaken. */
  #here(name: string): Activation | undefined {
    if (!this.#options.own) return undefined
    const address = this.#shared.table.find(this.#options.class, name)
    if (address === undefined || address.outstanding > 0) return undefined
    const { activation } = address
    return activation?.state === 'leaving' && activation.leavesWith !== undefined ? undefined : activation
  }

  #ask(name: string, method: string, args: readonly unknown[], sending: Sending): Promise<unknown> {
    const writes = this.#power.scope.gate()
    if (writes === undefined) return this.#askNow(name, method, args, sending)
    return this.#askBehind(writes, name, method, args, sending)
  }

  /** What is written meanwhile is not waited for: what is sent behind that would overtake it. */
  async #askBehind(
    writes: Promise<void>,
    name: string,
    method: string,
    args: readonly unknown[],
    sending: Sending,
  ): Promise<unknown> {
    const copy = this.#shared.kit.cloneValue(args)
    await writes
    return await this.#askNow(name, method, copy, sending)
  }

  #askNow(name: string, method: string, args: readonly unknown[], sending: Sending): Promise<unknown> {
    const here = this.#here(name)
    if (here === undefined) return this.#askHost(name, method, args, sending)
    let copy: readonly unknown[]
    try {
      copy = this.#shared.kit.cloneValue(args)
    } catch (thrown) {
      return rejection(thrown)
    }
    return this.#askHere(here, method, copy, sending)
  }

  #askHere(
    activation: Activation,
    method: string,
    args: readonly unknown[],
    { deadlineMs, priority }: Sending,
  ): Promise<unknown> {
    const { kit, table } = this.#shared
    const turn = this.#power.scope.turn()
    const answer = defer<unknown>()
    const release = kit.actors.hold(turn)
    const basics = { kind: 'ask' as const, method, args, turn, deadlineMs, priority, release }
    if (!activation.push(localMessage(basics, answer, kit))) {
      release()
      answer.reject(table.errors.mailboxFull(activation.mailbox.depth))
    }
    return answer.promise
  }

  async #askHost(name: string, method: string, args: readonly unknown[], sending: Sending): Promise<unknown> {
    const { kit } = this.#shared
    const text = kit.encodeValue(args)
    const { deadlineMs, priority } = sending
    const given = [name, method, text, { deadlineMs, priority }]
    const { answer, here } = await this.#send(name, 'ask', given, (activation) => {
      const asked = this.#askHere(activation, method, kit.decodeValue(text) as unknown[], sending)
      ignore(asked)
      return asked
    })
    return here === undefined ? kit.decodeValue(answer?.value as string) : await here
  }

  async #tell(name: string, method: string, args: readonly unknown[], sending: Sending): Promise<void> {
    const { kit, table } = this.#shared
    const { scope } = this.#power
    const writes = scope.gate()
    const given = writes === undefined ? args : kit.cloneValue(args)
    if (writes !== undefined) await writes
    const turn = scope.turn()
    const deliver = (activation: Activation, list: readonly unknown[]): void => {
      const release = kit.actors.hold(turn)
      const basics = { kind: 'tell' as const, method, turn, ...sending }
      if (activation.push(sentMessage({ ...basics, args: list, release }))) return
      release()
      throw table.errors.mailboxFull(activation.mailbox.depth)
    }
    const here = this.#here(name)
    if (here !== undefined) return deliver(here, kit.cloneValue(given))
    const text = kit.encodeValue(given)
    const release = kit.actors.hold(turn)
    try {
      await this.#send(name, 'tell', [name, method, text, { priority: sending.priority }], (activation) =>
        deliver(activation, kit.decodeValue(text) as unknown[]),
      )
    } finally {
      release()
    }
  }

  /**
   * Asks the host, until it has taken the message or says that the actor is here; then `deliver` does it, at once: what is sent
   * later must not overtake it.
   */
  async #send<Delivered>(
    name: string,
    method: string,
    args: readonly unknown[],
    deliver: (activation: Activation) => Delivered,
  ): Promise<{ readonly answer?: Answer; readonly here?: Delivered }> {
    const { table } = this.#shared
    const { own, class: className } = this.#options
    const address = own ? table.addressOf(className, name) : undefined
    if (address === undefined)
      return { answer: ((await this.#power.callNow(method, args)).value ?? {}) as Answer }
    try {
      for (let moves = 0; ; moves++) {
        address.outstanding++
        let result: CallResult
        try {
          result = await this.#power.callNow(method, args)
        } finally {
          address.outstanding--
        }
        const answer = (result.value ?? {}) as Answer
        if (answer.here === undefined) return { answer }
        const activation = table.activate(address, answer.here)
        if (activation !== undefined) return { here: deliver(activation) }
        if (moves === MOST_MOVES) throw table.errors.fenced()
      }
    } finally {
      table.prune(address)
    }
  }

  async #fetch(name: string, input: unknown, init: unknown): Promise<unknown> {
    const { scope } = this.#power
    const writes = scope.gate()
    if (writes !== undefined) await writes
    const activation = this.#here(name)
    if (activation !== undefined) return await this.#fetchHere(activation, input, init)
    if (this.#options.own) {
      const { here } = await this.#send(name, 'locate', [name], (at) => this.#fetchHere(at, input, init))
      if (here !== undefined) return await here
    }
    return await this.#fetchElsewhere(name, input, init)
  }

  #fetchHere(activation: Activation, input: unknown, init: unknown): Promise<unknown> {
    const { kit, table } = this.#shared
    const request = kit.web.makeRequest(input, init)
    const answer = quiet(defer<unknown>())
    const turn = this.#power.scope.turn()
    const release = kit.actors.hold(turn)
    const deadlineMs = this.#deadline(FETCH_MS)
    const basics = { kind: 'fetch' as const, method: 'fetch', args: [request], turn, deadlineMs, priority: 0 }
    if (!activation.push(localMessage({ ...basics, release }, answer, kit))) {
      release()
      throw table.errors.mailboxFull(activation.mailbox.depth)
    }
    return answer.promise
  }

  async #fetchElsewhere(name: string, input: unknown, init: unknown): Promise<unknown> {
    const { web } = this.#shared.kit
    const { method, url, headers, body, signal } = web.readRequest(input, init)
    const answer = await this.#power.callNow('fetch', [name, { method, url, headers }], body, signal)
    const head = answer.value as Pick<ResponseHead, 'status' | 'headers'>
    const relay = head.status === 101 ? answer.id : undefined
    return web.createResponse({ statusText: '', url, redirected: false, ...head, relay }, answer.body)
  }
}
