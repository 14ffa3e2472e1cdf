/**
 * URLPattern (URL Pattern Standard) by its ponyfill. It matches with regular expressions that it makes of the guest's
 * patterns: one that backtracks costs the guest's own CPU time, and the host uses none of this for its routes.
 */
import { URLPattern as Ponyfill } from 'urlpattern-polyfill/urlpattern'

export interface UrlPatternPart {
  readonly globals: Readonly<Record<string, unknown>>
}

export function create(): UrlPatternPart {
  // Of an earlier draft; nobody else has it.
  Reflect.deleteProperty(Ponyfill, 'compareComponent')
  // An accessor there; the platform gives it its own tag.
  Reflect.deleteProperty(Ponyfill.prototype, Symbol.toStringTag)
  return { globals: { URLPattern: Ponyfill } }
}
