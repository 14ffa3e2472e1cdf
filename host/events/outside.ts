/**
 * Events from outside. Threat: somebody with leave to publish for a tenant passes an event off as the host's own, or as that of another
 * tenant's service; handlers may trust those more.
 */
import { checkSize } from '../../guest-sdk/events/check.ts'
import { checkText, hasScheme } from '../../guest-sdk/events/cloud-event.ts'
import { VelaError } from '../core/errors.ts'
import { ownError } from './errors.ts'

/** Somebody's own URI, or a path within the tenant. Throws VELA_EVENT_INVALID. */
export function checkOuterSource(tenant: string, source: string): string {
  if (hasScheme(source) || source.startsWith(`${tenant}/`)) return source
  throw new VelaError(
    'VELA_EVENT_INVALID',
    `The source of an event from outside is a URI such as https://example.com/orders, or begins with /${tenant}/`,
  )
}

/** Encoded data, which whoever handles it can read. Throws VELA_EVENT_TOO_LARGE, VELA_EVENT_INVALID. */
export function checkOuterText(text: string): string {
  try {
    checkText(checkSize(text))
    return text
  } catch (thrown) {
    throw ownError(thrown)
  }
}
