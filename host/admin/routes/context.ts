/** What every route file is given, and the look-ups they share. */
import type { Control } from '../../core/control.ts'
import { VelaError } from '../../core/errors.ts'
import type { Admission } from '../admission.ts'
import type { AdminLog } from '../problems.ts'

export interface RouteContext {
  readonly control: Control
  readonly log: AdminLog
  readonly uploads: Admission
  readonly tails: Admission
  /** Ends when the server closes: long answers must not hold it open. */
  readonly closing: AbortSignal
}

/** A connection that carried a stream is not used again: it would turn idle after close() and hold it up. */
export const STREAM_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'application/x-ndjson',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  connection: 'close',
}

export interface TenantParams {
  tenant: string
}

export interface ServiceParams extends TenantParams {
  service: string
}

/** Only after the guard: it says whether a tenant exists to those who reach it, and to nobody else. */
export async function requireTenant(control: Control, tenant: string): Promise<void> {
  if ((await control.registry.getTenant(tenant)) !== undefined) return
  throw new VelaError('VELA_TENANT_NOT_FOUND', `there is no tenant ${JSON.stringify(tenant)}`, {
    details: { tenant },
  })
}

export async function requireService(control: Control, { tenant, service }: ServiceParams): Promise<void> {
  await requireTenant(control, tenant)
  const services = await control.registry.listServices(tenant)
  if (services.some((record) => record.service === service)) return
  throw new VelaError(
    'VELA_SERVICE_NOT_FOUND',
    `tenant ${tenant} has no service ${JSON.stringify(service)}`,
    { details: { tenant, service } },
  )
}
