/** Another service, as a manifest names it and a policy allows it; and how far a chain of them may go. One rule for all kinds. */
import { isName } from '../registry/names.ts'
import { GuestFacingError } from './capability.ts'

/** Services, actors and tasks that call each other may be so many. */
const MAX_DEPTH = 8

/** `name` or `tenant/name`. */
export function isTarget(text: string): boolean {
  const names = text.split('/', 3)
  return names.length < 3 && names.every((name) => isName('service', name))
}

/** `tenant` null: that of whoever names it. */
export function readTarget(text: string): { readonly tenant: string | null; readonly service: string } {
  const slash = text.indexOf('/')
  return { tenant: slash < 0 ? null : text.slice(0, slash), service: text.slice(slash + 1) }
}

/** Whether a policy's list, such as `["globex/mail", "initech/*"]`, has another tenant's service. */
export const isAllowed = (rules: readonly string[], tenant: string, service: string): boolean =>
  rules.includes(`${tenant}/${service}`) || rules.includes(`${tenant}/*`)

/** The depth of what a call calls; throws VELA_CAPABILITY_TOO_DEEP. `who` are those that call each other. */
export function deeper(depth: number, who: string): number {
  if (depth < MAX_DEPTH) return depth + 1
  throw new GuestFacingError(
    'Error',
    `${who} call each other more than ${MAX_DEPTH} deep; does one call itself?`,
    'VELA_CAPABILITY_TOO_DEEP',
  )
}
