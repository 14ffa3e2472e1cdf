/** One object of the guest's class, made for an activation, and how messages become calls of its methods. */
import { ReflectApply, getOwnPropertyDescriptor, getPrototypeOf, slice } from '../primordials.ts'
import { ignore } from './intrinsics.ts'
import type { Message } from './message.ts'

export interface Instance {
  readonly object: object
  /** False: it was given up, and what it still does must not touch the state. */
  live: boolean
  /** How many `blockConcurrencyWhile` are under way. */
  blocked: number
  /** What ends with it, in the order in which it came. */
  ends: (() => Promise<void>)[]
}

/** Ends what the instance has, the last that came first; none of it rejects. */
export async function endThings(instance: Instance): Promise<void> {
  const { ends } = instance
  instance.ends = []
  for (let left = ends.length; left > 0; left--) await (ends[left - 1] as () => Promise<void>)()
}

/** From here on it must not touch the state. What it has is ended, and nobody waits for that. */
export function giveUp(instance: Instance): void {
  instance.live = false
  ignore(endThings(instance))
}

type Work = (...args: unknown[]) => unknown

/** Called by the runtime on other occasions, so never as methods. */
const RESERVED: Readonly<Record<string, unknown>> = {
  __proto__: null,
  constructor: true,
  fetch: true,
  alarm: true,
  upgrade: true,
  onPassivate: true,
  onChildFailure: true,
  webSocketMessage: true,
  webSocketClose: true,
  webSocketError: true,
}
const MOST_BASES = 64
const ObjectPrototype = Object.prototype

/** What its class and the bases have under that name, but for what every object has. Getters are not asked. */
export function hookOf(object: object, name: string): Work | undefined {
  let level = getPrototypeOf(object) as object | null
  for (let depth = 0; depth < MOST_BASES && level !== null && level !== ObjectPrototype; depth++) {
    const descriptor = getOwnPropertyDescriptor(level, name)
    if (descriptor !== undefined)
      return typeof descriptor.value === 'function' ? (descriptor.value as Work) : undefined
    level = getPrototypeOf(level) as object | null
  }
  return undefined
}

/** Undefined: the class has no such method for others to call. */
export function workOf({ object }: Instance, { init }: Message): (() => unknown) | undefined {
  const { kind, method, args } = init
  const isCall = kind === 'ask' || kind === 'tell'
  if (isCall && (method === 'then' || RESERVED[method] === true || slice(method, 0, 1) === '_'))
    return undefined
  const work = hookOf(object, method)
  if (work !== undefined) return () => ReflectApply(work, object, args)
  return kind === 'socket' ? () => undefined : undefined
}
