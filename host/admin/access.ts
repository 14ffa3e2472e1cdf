/**
 * Who may call which route. Each route declares its access as data; the guard reads the bearer token before a
 * body is read, so a caller without a token costs no memory. A route that declares nothing is refused at start.
 * Threat: a token of one tenant must not learn what another tenant has, so its refusal comes before any lookup
 * and reads the same whether the thing exists or not.
 */
import { VelaError } from '../core/errors.ts'
import type { Scope, TokenRecord } from '../registry/types.ts'

export interface Access {
  /** One of these scopes is enough; `admin` is always enough. Empty: any valid token. */
  readonly scopes: readonly Scope[]
  /**
   * 'public' needs no token; 'tenant' reaches the tenant named in the path; 'operator' needs an admin token
   * without a tenant; 'own' is narrowed by the handler to what the token reaches.
   */
  readonly reach: 'public' | 'tenant' | 'operator' | 'own'
}

export const access: Readonly<Record<'public' | 'any' | 'operator', Access>> = {
  public: { reach: 'public', scopes: [] },
  any: { reach: 'own', scopes: [] },
  operator: { reach: 'operator', scopes: ['admin'] },
}

export function tenantAccess(...scopes: readonly Scope[]): Access {
  return { reach: 'tenant', scopes }
}

export function ownAccess(...scopes: readonly Scope[]): Access {
  return { reach: 'own', scopes }
}

/** The text after `Bearer`; the length is checked before the registry hashes it. */
export function bearerOf(header: string | undefined): string {
  if (header === undefined) {
    throw new VelaError('VELA_AUTH_MISSING', 'send the header `authorization: Bearer <token>`')
  }
  const text = /^bearer +([\x21-\x7e]{1,512})$/i.exec(header)?.[1]
  if (text === undefined) {
    throw new VelaError('VELA_AUTH_INVALID', 'the authorization header is not of the form `Bearer <token>`')
  }
  return text
}

/** Throws VELA_AUTH_FORBIDDEN unless `token` satisfies `rule` for the tenant named in the path. */
export function assertAccess(rule: Access, token: TokenRecord, tenant: string | undefined): void {
  if (rule.reach === 'operator' && token.tenant !== null) {
    throw new VelaError(
      'VELA_AUTH_FORBIDDEN',
      `only an operator may do this; this token reaches tenant ${token.tenant} alone`,
      { details: { reach: 'operator' } },
    )
  }
  if (rule.reach === 'tenant') assertReach(token, tenant ?? '')
  assertScope(token, rule.scopes)
}

export function assertReach(token: TokenRecord, tenant: string | null): void {
  if (token.tenant === null || token.tenant === tenant) return
  const wanted = tenant === null ? 'every tenant' : `tenant ${JSON.stringify(tenant)}`
  throw new VelaError(
    'VELA_AUTH_FORBIDDEN',
    `this token reaches tenant ${token.tenant} alone, not ${wanted}`,
    { details: { tenant } },
  )
}

function assertScope(token: TokenRecord, scopes: readonly Scope[]): void {
  if (scopes.length === 0 || token.scopes.includes('admin')) return
  if (scopes.some((scope) => token.scopes.includes(scope))) return
  const wanted = scopes.join(' or ')
  throw new VelaError(
    'VELA_AUTH_FORBIDDEN',
    `this needs a token of scope ${wanted}; this one has ${token.scopes.join(', ') || 'none'}`,
    { details: { scope: wanted } },
  )
}
