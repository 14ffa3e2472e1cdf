/**
 * Counts what a tenant has open of one expensive thing (uploads, tails), so that one tenant's valid token cannot
 * take the control API from the others. Over the cap the caller is refused at once.
 */
import { VelaError } from '../core/errors.ts'

export interface AdmissionLimits {
  readonly perTenant: number
  readonly total: number
}

/** Takes a place for the tenant and returns the function that gives it back (once; later calls do nothing). */
export type Admission = (tenant: string) => () => void

export function createAdmission(what: string, limits: AdmissionLimits): Admission {
  const open = new Map<string, number>()
  let total = 0
  return (tenant) => {
    const mine = open.get(tenant) ?? 0
    if (mine >= limits.perTenant || total >= limits.total) {
      throw new VelaError(
        'VELA_TENANT_QUOTA_EXCEEDED',
        `too many ${what} at the same time (${limits.perTenant} for one tenant); try again when one has ended`,
        { details: { what, perTenant: limits.perTenant } },
      )
    }
    open.set(tenant, mine + 1)
    total++
    let held = true
    return () => {
      if (!held) return
      held = false
      total--
      const left = (open.get(tenant) ?? 1) - 1
      if (left > 0) open.set(tenant, left)
      else open.delete(tenant)
    }
  }
}
