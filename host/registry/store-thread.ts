/**
 * The module that the store thread runs. It joins what the thread serves; whatever else shall be durable adds its
 * operations and migrations here.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { MIGRATIONS } from './migrations.ts'
import { registryOperations } from './operations/table.ts'
import { createSecretBox } from './secret-box.ts'
import { openSecretKey } from './secret-key.ts'
import type { StoreOptions } from './store/protocol.ts'
import { serveStore } from './store/thread.ts'

if (parentPort === null) throw new Error('store-thread is run by openRegistry, as a worker thread')

const options: StoreOptions = workerData

serveStore(parentPort, options, {
  migrations: MIGRATIONS,
  operations: registryOperations,
  setUp: (database, dataDir) => ({
    sql: database,
    secrets: createSecretBox(openSecretKey(database, dataDir)),
    now: Date.now,
  }),
})
