/** The errors of actors as a guest sees them; codes and meanings are those of docs/errors.md. */
import type { CapabilityKit } from '../capabilities.ts'
import { StringOf } from '../primordials.ts'

export interface ActorErrors {
  mailboxFull(depth: number): unknown
  deadline(what: string): unknown
  /** Guest code of an actor that was not over after `handleMs`. */
  tooLong(what: string, limitMs: number): unknown
  stopped(detail: string): unknown
  fenced(): unknown
  /** What became of a call about the state, from what it rejected with. */
  storage(reason: unknown): unknown
  upgradeFailed(detail: string): unknown
  notFound(className: string): unknown
  noMethod(className: string, method: string): unknown
  badCall(message: string): unknown
  /** What an actor threw, as its callers see it; an error of the kernel's own stays itself. */
  thrown(error: unknown): unknown
}

export function createActorErrors({
  createError,
  actors,
}: Pick<CapabilityKit, 'createError' | 'actors'>): ActorErrors {
  const { apply } = Reflect
  const own = new WeakSet<object>()
  const has = WeakSet.prototype.has
  const add = WeakSet.prototype.add
  const make = (name: string, message: string, code: string): unknown => {
    const error = createError(name, message, code) as object
    apply(add, own, [error])
    return error
  }
  const isOwn = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && apply(has, own, [value])
  const { parse } = JSON

  const fenced = (): unknown =>
    make('Error', 'The actor lives elsewhere by now; ask again', 'VELA_ACTOR_FENCED')
  const storageFailed = (detail: string): unknown => make('Error', detail, 'VELA_ACTOR_STORAGE_FAILED')

  return {
    mailboxFull: (depth) =>
      make('Error', `The mailbox of the actor is full: ${depth} messages wait`, 'VELA_ACTOR_MAILBOX_FULL'),
    deadline: (what) => make('Error', `${what}: no answer before the deadline`, 'VELA_ACTOR_DEADLINE'),
    tooLong: (what, limitMs) =>
      make(
        'Error',
        `${what}: not over after ${limitMs} ms (handleMs of its class), so the actor was given up`,
        'VELA_ACTOR_DEADLINE',
      ),
    stopped: (detail) => make('Error', detail, 'VELA_ACTOR_STOPPED'),
    fenced,
    storage(reason) {
      const { code, message } = reason as { code?: unknown; message?: unknown }
      if (code === 'VELA_ACTOR_FENCED') return fenced()
      if (code === QUOTA) return make('Error', StringOf(message), QUOTA)
      return storageFailed(`The state of the actor could not be read or stored: ${StringOf(message)}`)
    },
    upgradeFailed: (detail) => make('Error', detail, 'VELA_ACTOR_UPGRADE_FAILED'),
    notFound: (className) =>
      make('Error', `The service exports no class ${className} that extends Actor`, 'VELA_ACTOR_NOT_FOUND'),
    noMethod: (className, method) =>
      make('TypeError', `The actor ${className} has no method ${method}`, 'VELA_METHOD_NOT_FOUND'),
    badCall: (message) => make('RangeError', message, 'VELA_CAPABILITY_BAD_CALL'),
    thrown(error) {
      if (isOwn(error)) return error
      const { name, message, code } = parse(actors.describeThrown(error)) as {
        name: string
        message: string
        code?: string
      }
      return createError(name, message, code === UNCLONEABLE ? code : 'VELA_GUEST_THREW')
    },
  }
}

const QUOTA = 'VELA_ACTOR_QUOTA_EXCEEDED'
const UNCLONEABLE = 'VELA_VALUE_NOT_CLONEABLE'
