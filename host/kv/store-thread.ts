/**
 * The module that the key-value store's thread runs. It has a file and a thread of its own, so that a tenant that writes
 * much slows other tenants' values at most, and never a deploy or a look at a token.
 */
import { serveStore } from '../registry/store/thread.ts'
import { MIGRATIONS } from './migrations.ts'
import { kvOperations } from './operations/table.ts'

serveStore({
  store: 'kv',
  migrations: MIGRATIONS,
  operations: kvOperations,
  setUp: (database) => database,
})
