/**
 * What the kernel tells the SDK's container (guest-sdk/di): whose life a `ctx` is, what is bound. And what the container tells the
 * kernel: which bindings a service cannot do without, which the host hears with the description of its exports.
 */
import type { Life, WiringKit } from '../di/kit.ts'
import { slice, stringify } from './primordials.ts'

export interface Wiring {
  readonly kit: WiringKit
  /** JSON list of [path, binding, whether its calls have a deadline]; nothing is added from here on. */
  takeNeeds(): string
}

export interface WiringDeps {
  readonly turnLife: (context?: unknown) => Life | undefined
  readonly actorLife: (context: unknown) => Life | undefined
  /** Turn 0 is none. */
  readonly bindingOf: (turn: number, name: string, deadlineMs: number | undefined) => unknown
  readonly has: (name: string) => boolean
  /** It is a var or a secret, of which the host need not hear. */
  readonly isVar: (name: string) => boolean
  readonly outside: (work: () => void) => void
  readonly createError: (code: string, message: string, cause: unknown) => object
  readonly reportError: (thrown: unknown) => void
}

const MOST_NEEDS = 256
const MOST_CHARACTERS = 400

export function createWiring(deps: WiringDeps): Wiring {
  let isOpen = true
  let needs = ''
  let count = 0
  return {
    takeNeeds() {
      isOpen = false
      return `[${needs}]`
    },
    kit: {
      lifeOf: (context) => deps.turnLife(context) ?? deps.actorLife(context),
      currentLife: () => deps.turnLife(),
      binding: (name, deadlineMs) => deps.bindingOf(0, name, deadlineMs),
      outside: deps.outside,
      has: deps.has,
      need(path, binding, hasDeadline) {
        // Patched intrinsics may have made anything of them.
        if (typeof path !== 'string' || typeof binding !== 'string' || deps.isVar(binding)) return true
        if (!isOpen || count >= MOST_NEEDS || binding.length > MOST_CHARACTERS) return false
        const of = [stringify(slice(path, 0, MOST_CHARACTERS)), stringify(binding)]
        needs += `${count === 0 ? '' : ','}[${of[0] as string},${of[1] as string},${hasDeadline ? 'true' : 'false'}]`
        count++
        return true
      },
      createError: (code, message, cause = undefined) => deps.createError(code, message, cause),
      reportError: deps.reportError,
    },
  }
}
