/**
 * The actors of one isolate: where each is, how messages come to it from this isolate and from the host, and how all leave when the host
 * says so. What is here is reached without the host; for everything else the host is asked, which is the directory.
 */
import { isDirective, type Directive } from '../../concurrency/supervision.ts'
import type { CapabilityKit, Power } from '../capabilities.ts'
import { Activation } from './activation.ts'
import { createArrivals } from './arrivals.ts'
import { createBudget } from './budget.ts'
import type { ActorId } from './context.ts'
import { createDeadlines } from './deadlines.ts'
import { createDepartures } from './departures.ts'
import type { ActorsEnvironment } from './environment.ts'
import { createActorErrors, type ActorErrors } from './errors.ts'
import { TextMap, defer, ignore } from './intrinsics.ts'
import { freeze } from '../primordials.ts'
import { createRerouting } from './rerouting.ts'
import type { Activated } from './storage.ts'

export interface Address {
  readonly id: ActorId
  activation: Activation | undefined
  /** Messages on their way by the host: later ones must not overtake them. */
  outstanding: number
  parent: ActorId | null
  children: TextMap<ActorId> | undefined
}

export interface ActorTable {
  readonly errors: ActorErrors
  /** A grant of a class of this service. */
  grant(className: string, power: Power): void
  addressOf(className: string, name: string): Address
  find(className: string, name: string): Address | undefined
  /** Forgets an address that nothing keeps. */
  prune(address: Address): void
  /** Where the actor is from now on; undefined: not here. Throws if its class cannot be used. */
  activate(address: Address, from: Activated | null): Activation | undefined
}

/** `stub`: a stub for what acts by this power. */
export function createActorTable(
  kit: CapabilityKit,
  stub: (power: Power, className: string, name: string) => object,
): ActorTable {
  const { actors } = kit
  const errors = createActorErrors(kit)
  const classes = new TextMap<TextMap<Address>>()
  const powers = new TextMap<Power>()
  const dirty = new TextMap<Activation>()
  const budget = createBudget((callback) => actors.wakeAt(kit.now() + 1, callback))
  const departures = createDepartures()

  const find = (className: string, name: string): Address | undefined => classes.get(className)?.get(name)

  const addressOf = (className: string, name: string): Address => {
    let names = classes.get(className)
    if (names === undefined) classes.set(className, (names = new TextMap()))
    let address = names.get(name)
    if (address === undefined) {
      const id = freeze({ class: className, name })
      address = { id, activation: undefined, outstanding: 0, parent: null, children: undefined }
      names.set(name, address)
    }
    return address
  }

  const prune = (address: Address): void => {
    if (address.activation !== undefined || address.outstanding > 0 || (address.children?.size ?? 0) > 0)
      return
    const { class: className, name } = address.id
    if (find(className, name) !== address) return
    classes.get(className)?.delete(name)
    if (address.parent === null) return
    const parent = find(address.parent.class, address.parent.name)
    if (parent === undefined) return
    parent.children?.delete(keyOf(address.id))
    prune(parent)
  }

  const raw = (className: string): Power['raw'] => {
    const power = powers.get(className)
    if (power === undefined) throw errors.notFound(className)
    return power.raw
  }

  const environment: ActorsEnvironment = {
    kit,
    errors,
    deadlines: createDeadlines(actors.wakeAt, (message) => {
      const { slot, mailbox, init } = message
      message.fail(errors.deadline(init.method))
      // What is being handled goes on, and lets go of its turn when it ends.
      if (slot !== undefined && mailbox?.remove(slot) === true) init.release()
    }),
    raw,
    mayHandle: budget.take,
    dirty: (activation) => dirty.set(keyOf(activation.id), activation),
    child(parent, target, name) {
      const className = classNameOf(target)
      const power = parent.scope.powers.get(className)
      if (power === undefined) throw errors.notFound(className)
      const child = stub(power, className, `${name as string}`)
      const address = addressOf(className, `${name as string}`)
      const own = addressOf(parent.id.class, parent.id.name)
      if (address.parent !== null)
        find(address.parent.class, address.parent.name)?.children?.delete(keyOf(address.id))
      address.parent = parent.id
      own.children ??= new TextMap()
      own.children.set(keyOf(address.id), address.id)
      return child
    },
    childrenOf({ class: className, name }) {
      const list: ActorId[] = []
      find(className, name)?.children?.each((id) => {
        list[list.length] = id
      })
      return list
    },
    parentOf: ({ class: className, name }) => find(className, name)?.parent ?? null,
    stopChildren({ class: className, name }) {
      find(className, name)?.children?.each((child) =>
        find(child.class, child.name)?.activation?.stop('its parent was stopped'),
      )
    },
    async escalate(child, error): Promise<Directive> {
      const id = find(child.class, child.name)?.parent ?? null
      const parent = id === null ? undefined : find(id.class, id.name)?.activation
      const decided = defer<unknown>()
      if (parent === undefined) return 'stop'
      parent.childFailed(child, error, decided)
      const directive = await decided.promise
      return isDirective(directive) ? directive : 'stop'
    },
    quiet: departures.check,
    gone(activation) {
      activation.limit.close()
      activation.idle.close()
      const { class: className, name } = activation.id
      const address = addressOf(className, name)
      if (address.activation === activation) address.activation = undefined
      dirty.delete(keyOf(activation.id))
      const { mailbox } = activation
      for (let message = mailbox.take(); message !== undefined; message = mailbox.take())
        reroute(address, message)
      prune(address)
      departures.check()
    },
    dead(id, { init }, reason) {
      let text = ''
      try {
        text = kit.encodeValue(init.args)
      } catch {
        // Told without them.
      }
      const args = [id.name, init.method, reason, text.length > MOST_DEAD_CHARACTERS ? '' : text]
      ignore(raw(id.class)('dead', args))
    },
  }

  const classNameOf = (target: unknown): string => {
    if (typeof target === 'string') return target
    let found: string | undefined
    powers.each((_power, className) => {
      if (actors.classOf(className) === target) found = className
    })
    if (found === undefined)
      throw errors.notFound((target as { name?: string } | null)?.name ?? 'of that kind')
    return found
  }

  const activate = (address: Address, from: Activated | null): Activation | undefined => {
    const old = address.activation
    if (from === null || (old !== undefined && old.storage.epoch >= from.epoch)) return old
    const { class: className, name } = address.id
    const Class = actors.classOf(className)
    if (Class === undefined) throw errors.notFound(className)
    address.activation = new Activation(environment, Class, className, name, from)
    // Whether the message for which it begins can be given to it or not: it leaves when it is idle.
    address.activation.wake()
    old?.evict()
    return address.activation
  }

  const gate = (): Promise<void> | undefined => {
    let all: Promise<void> | undefined
    dirty.each((activation, key) => {
      const writes = activation.storage.gate()
      if (writes === undefined) dirty.delete(key)
      else all = all === undefined ? writes : both(all, writes)
    })
    return all
  }
  const { deadlines } = environment
  const reroute = createRerouting({ kit, errors, deadlines, raw, activate, prune })
  actors.plug(
    createArrivals({ kit, errors, budget, departures, classes, gate, activate, addressOf, find, prune }),
  )

  return {
    errors,
    grant(className, power) {
      if (!powers.has(className)) powers.set(className, power)
      power.scope.powers?.set(className, power)
    },
    addressOf,
    find,
    prune,
    activate,
  }
}

export interface Answer {
  readonly value?: string
  readonly here?: Activated | null
  readonly remote?: boolean
}

const MOST_DEAD_CHARACTERS = 16_384

const keyOf = ({ class: className, name }: ActorId): string => `${className}/${name}`

async function both(first: Promise<void>, second: Promise<void>): Promise<void> {
  await first
  await second
}
