/**
 * Puts the access rules in front of every route, the address that does not exist included: without a valid token
 * a caller cannot tell which addresses there are.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { VelaError } from '../core/errors.ts'
import type { TokenRecord } from '../registry/types.ts'
import { access, assertAccess, bearerOf, type Access } from './access.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
  interface FastifyRequest {
    velaToken: TokenRecord | null
  }
}

export type VerifyToken = (text: string) => Promise<TokenRecord | undefined>

export function installGuard(app: FastifyInstance, verify: VerifyToken): void {
  app.decorateRequest('velaToken', null)
  app.addHook('onRoute', (route) => {
    if (route.config?.access === undefined) {
      throw new Error(`route ${String(route.method)} ${route.url} declares no access`)
    }
  })
  app.addHook('onRequest', async (request) => {
    const rule = request.routeOptions.config.access ?? access.any
    if (rule.reach === 'public') return
    const token = await verify(bearerOf(request.headers.authorization))
    if (token === undefined) {
      throw new VelaError('VELA_AUTH_INVALID', 'this token is unknown here, or was deleted')
    }
    request.velaToken = token
    assertAccess(rule, token, (request.params as { tenant?: string }).tenant)
  })
}

/** The verified token of a request that passed the guard. */
export function tokenOf(request: FastifyRequest): TokenRecord {
  if (request.velaToken === null) throw new VelaError('VELA_AUTH_MISSING', 'this address needs a token')
  return request.velaToken
}
