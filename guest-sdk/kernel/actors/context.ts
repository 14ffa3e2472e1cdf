/**
 * `ctx` of an actor. Its fields are private: a guest must not reach the activation through them. When the instance is given up, what
 * it kept of its `ctx` refuses, so that two instances never write to one state.
 */
import type { Life } from '../../di/kit.ts'
import { freeze } from '../primordials.ts'
import type { HeldSockets } from './held-sockets.ts'
import type { Storage } from './storage-api.ts'

export interface ContextDeps {
  readonly id: ActorId
  readonly parent: ActorId | null
  readonly storage: Storage
  readonly sockets: HeldSockets
  readonly child: (target: unknown, name: unknown) => object
  readonly children: () => ActorId[]
  readonly depth: () => number
  readonly waitUntil: (promise: unknown) => void
  readonly block: (work: () => unknown) => Promise<unknown>
  readonly passivate: () => void
  /** The instance as a life, once somebody asks. */
  readonly life: () => Life
  /** Throws if the instance was given up. */
  readonly check: () => void
}

/** Frozen, without a prototype that a guest could patch. */
export interface ActorId {
  readonly class: string
  readonly name: string
}

export class ActorContext {
  readonly #deps: ContextDeps

  constructor(deps: ContextDeps) {
    this.#deps = deps
  }

  /** Undefined: it is none. */
  static lifeOf(context: unknown): Life | undefined {
    const isOne = typeof context === 'object' && context !== null && #deps in context
    return isOne ? context.#deps.life() : undefined
  }

  get id(): ActorId {
    return this.#deps.id
  }
  get parent(): ActorId | null {
    return this.#deps.parent
  }
  get storage(): Storage {
    return this.#deps.storage
  }
  get mailbox(): { readonly depth: number } {
    return freeze({ depth: this.#deps.depth() })
  }
  get children(): object {
    const { child, check, children } = this.#deps
    return freeze({
      get: (target: unknown, name: unknown): object => {
        check()
        return child(target, name)
      },
      list: children,
    })
  }

  waitUntil(promise: unknown): void {
    this.#deps.check()
    this.#deps.waitUntil(promise)
  }

  async blockConcurrencyWhile(work: unknown): Promise<unknown> {
    this.#deps.check()
    if (typeof work !== 'function') throw new TypeError('ctx.blockConcurrencyWhile: a function')
    return await this.#deps.block(work as () => unknown)
  }

  passivate(): void {
    this.#deps.check()
    this.#deps.passivate()
  }

  acceptWebSocket(socket: unknown, tags: unknown = undefined): void {
    this.#deps.check()
    this.#deps.sockets.accept(socket, tags)
  }

  getWebSockets(tag: unknown = undefined): object[] {
    return this.#deps.sockets.list(tag)
  }

  getTags(socket: unknown): string[] {
    return this.#deps.sockets.tags(socket)
  }

  get [Symbol.toStringTag](): string {
    return 'ActorContext'
  }
}
