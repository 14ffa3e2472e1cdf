/** All operations of the registry, as the store thread serves them and the host's thread calls them. */
import type { RegistryContext } from '../context.ts'
import type { Operations } from '../store/protocol.ts'
import { grantReads, grantWrites } from './grants.ts'
import { mirrorReads, mirrorWrites } from './mirror.ts'
import { secretReads, secretWrites } from './secrets.ts'
import { serviceReads, serviceWrites } from './services.ts'
import { tenantReads, tenantWrites } from './tenants.ts'
import { tokenReads, tokenWrites } from './tokens.ts'

export type RegistryOperations = typeof tenantReads &
  typeof tenantWrites &
  typeof serviceReads &
  typeof serviceWrites &
  typeof grantReads &
  typeof grantWrites &
  typeof mirrorReads &
  typeof mirrorWrites &
  typeof secretReads &
  typeof secretWrites &
  typeof tokenReads &
  typeof tokenWrites

export const registryOperations: Operations<RegistryContext> = {
  reads: { ...tenantReads, ...serviceReads, ...grantReads, ...mirrorReads, ...secretReads, ...tokenReads },
  writes: {
    ...tenantWrites,
    ...serviceWrites,
    ...grantWrites,
    ...mirrorWrites,
    ...secretWrites,
    ...tokenWrites,
  },
}
