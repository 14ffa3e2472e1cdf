/**
 * The module that the store thread runs. It joins what the thread serves; whatever else shall be durable adds its
 * operations and migrations here.
 */
import { MIGRATIONS } from './migrations.ts'
import { registryOperations } from './operations/table.ts'
import { createSecretBox } from './secret-box.ts'
import { openSecretKey } from './secret-key.ts'
import { serveStore } from './store/thread.ts'

serveStore({
  migrations: MIGRATIONS,
  operations: registryOperations,
  setUp: (database, dataDir) => ({
    sql: database,
    secrets: createSecretBox(openSecretKey(database, dataDir)),
    now: Date.now,
  }),
})
