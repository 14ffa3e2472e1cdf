/** What the host says to the actors of this isolate: messages, requests, and that they are to leave. */
import type { CapabilityKit } from '../capabilities.ts'
import { isArray, parse } from '../primordials.ts'
import type { Activation } from './activation.ts'
import type { Budget } from './budget.ts'
import { ActorContext } from './context.ts'
import type { Departures } from './departures.ts'
import type { ActorErrors } from './errors.ts'
import { nothing, type TextMap } from './intrinsics.ts'
import { fence } from './leaving.ts'
import { NOT_HERE, remoteMessage, sentMessage, type Message } from './message.ts'
import type { ActorTurn, ActorsPort } from './port.ts'
import type { Activated } from './storage.ts'
import type { ActorTable, Address } from './table.ts'

export interface ArrivalsDeps extends Pick<ActorTable, 'activate' | 'addressOf' | 'find' | 'prune'> {
  readonly kit: CapabilityKit
  readonly errors: ActorErrors
  readonly budget: Budget
  readonly departures: Departures
  /** By class, then by name. */
  readonly classes: TextMap<TextMap<Address>>
  /** While some actor's writes are not durable: resolves when they are. */
  readonly gate: () => Promise<void> | undefined
}

type CallBody = [
  name: string,
  kind: 'ask' | 'tell' | 'alarm' | 'depth',
  method: string,
  argsText: string,
  options: { readonly priority?: number; readonly deadlineMs?: number },
  from: Activated | null,
]

export function createArrivals(deps: ArrivalsDeps): ActorsPort {
  const { kit, errors, budget, departures, classes, activate, addressOf, find, prune } = deps

  /** A message by the host. */
  const arrive = (
    turn: ActorTurn,
    address: Address,
    from: Activated | null,
    message: () => Message,
  ): void => {
    try {
      const activation = activate(address, from)
      if (activation === undefined) {
        turn.value(NOT_HERE)
        return prune(address)
      }
      const made = message()
      if (activation.push(made)) return made.init.kind === 'tell' ? turn.value(undefined) : undefined
      made.init.release()
      turn.threw(errors.mailboxFull(activation.mailbox.depth))
    } catch (thrown) {
      turn.threw(thrown)
      prune(address)
    }
  }

  return {
    call(turn, className, json) {
      const [name, kind, method, argsText, options, from] = parse(json) as CallBody
      if (kind === 'depth') {
        const activation = find(className, name)?.activation
        return turn.value(activation === undefined ? NOT_HERE : `"${activation.mailbox.depth}"`)
      }
      arrive(turn, addressOf(className, name), from, () => {
        const args = kit.decodeValue(argsText)
        const { priority = 0, deadlineMs = Infinity } = options
        const basics = { kind, method, args: isArray(args) ? args : [], turn: turn.id, priority }
        if (kind !== 'tell') return remoteMessage({ ...basics, deadlineMs, release: nothing }, turn, kit)
        return sentMessage({ ...basics, deadlineMs: Infinity, release: turn.hold() })
      })
    },
    fetch(turn, request, className, name, text) {
      const from = text === '' ? null : (parse(text) as Activated)
      const basics = { kind: 'fetch' as const, method: 'fetch', args: [request], turn: turn.id, priority: 0 }
      arrive(turn, addressOf(className, name), from, () =>
        remoteMessage({ ...basics, deadlineMs: Infinity, release: nothing }, turn, kit),
      )
    },
    passivate(turn, json) {
      const wanted = parse(json) as [string, string][]
      const all: Activation[] = []
      const add = ({ activation }: Address): void => {
        if (activation !== undefined) all[all.length] = activation
      }
      if (wanted.length === 0) {
        classes.each((names) => names.each(add))
        return departures.begin(all, () => turn.value(undefined))
      }
      // They are another host's: what they know here may be old already.
      for (let index = 0; index < wanted.length; index++) {
        const [className, name] = wanted[index] as [string, string]
        const activation = find(className, name)?.activation
        if (activation !== undefined) fence(activation, errors.fenced())
      }
      turn.value(undefined)
    },
    gate: deps.gate,
    entered: budget.reset,
    lifeOf: ActorContext.lifeOf,
  }
}
