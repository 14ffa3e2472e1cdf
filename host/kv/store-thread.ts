/**
 * The module that the key-value store's thread runs. It has a file and a thread of its own, so that a tenant that writes
 * much slows other tenants' values at most, and never a deploy or a look at a token.
 */
import { existsSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { pathsIn, writeFileDurably } from '../registry/store/directory.ts'
import type { StoreOptions } from '../registry/store/protocol.ts'
import { serveStore } from '../registry/store/thread.ts'
import { MIGRATIONS } from './migrations.ts'
import { kvOperations } from './operations/table.ts'

if (parentPort === null) throw new Error('store-thread is run by openKv, as a worker thread')

const options: StoreOptions = workerData

serveStore(parentPort, options, {
  store: 'kv',
  migrations: MIGRATIONS,
  operations: kvOperations,
  setUp(database, dataDir) {
    const mark = dataDir === null ? undefined : pathsIn(dataDir, 'kv').mark
    // Only now, when the tables are on the disk: a start that was interrupted must not look like a lost store.
    if (mark !== undefined && !existsSync(mark))
      writeFileDurably(mark, 'kv.sqlite beside this file has been in use.\n')
    return database
  },
})
