/** What the registry's operations are called with on the store thread. */
import type { SecretBox } from './secret-box.ts'
import type { Sql } from './store/database.ts'

export interface RegistryContext {
  readonly sql: Sql
  readonly secrets: SecretBox
  /** Milliseconds since the epoch. */
  readonly now: () => number
}
