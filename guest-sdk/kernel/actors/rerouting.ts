/** Hands on messages to an actor that has left this isolate before they were handled. */
import type { CapabilityKit, Power } from '../capabilities.ts'
import type { CallResult } from '../calls.ts'
import { subscribe } from '../primordials.ts'
import type { Activation } from './activation.ts'
import type { Deadlines } from './deadlines.ts'
import type { ActorErrors } from './errors.ts'
import type { Message } from './message.ts'
import type { Activated } from './storage.ts'
import type { Address, Answer } from './table.ts'

export interface ReroutingDeps {
  readonly kit: CapabilityKit
  readonly errors: ActorErrors
  readonly deadlines: Deadlines
  readonly raw: (className: string) => Power['raw']
  readonly activate: (address: Address, from: Activated | null) => Activation | undefined
  readonly prune: (address: Address) => void
}

export function createRerouting(deps: ReroutingDeps): (address: Address, message: Message) => void {
  const { kit, errors, raw, activate, prune } = deps

  const reroute = (address: Address, message: Message): void => {
    message.slot = undefined
    const { init } = message
    if (address.activation !== undefined) {
      deps.deadlines.remove(message)
      if (!address.activation.push(message))
        address.activation.refuse(message, errors.mailboxFull(address.activation.mailbox.depth), 'dropped')
      return
    }
    const over = (): void => {
      deps.deadlines.remove(message)
      init.release()
    }
    if (init.giveBack !== undefined) {
      message.send(init.giveBack)
      return over()
    }
    if (init.kind !== 'ask' && init.kind !== 'tell') {
      message.fail(errors.fenced())
      return over()
    }
    const { class: className, name } = address.id
    const options = {
      priority: init.priority,
      ...(init.deadlineMs < Infinity ? { deadlineMs: init.deadlineMs } : {}),
    }
    const asked = raw(className)(init.kind, [name, init.method, kit.encodeValue(init.args), options])
    const failed = (reason: unknown): void => {
      message.fail(reason)
      over()
    }
    address.outstanding++
    subscribe(
      asked,
      (result) => {
        address.outstanding--
        const { here, value } = (result as CallResult).value as Answer
        try {
          if (here !== undefined && activate(address, here) === undefined) throw errors.fenced()
          if (here !== undefined) return reroute(address, message)
          if (init.kind === 'ask') message.send(init.answer(kit.decodeValue(value as string)))
          over()
          prune(address)
        } catch (thrown) {
          failed(thrown)
          prune(address)
        }
      },
      (reason) => {
        address.outstanding--
        failed(reason)
        prune(address)
      },
    )
  }
  return reroute
}
