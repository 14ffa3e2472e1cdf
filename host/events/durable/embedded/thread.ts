/**
 * The module that the thread of the log of durable events runs. It has a file and a thread of its own, so that events slow other
 * events at most, and never a deploy, a look at a token, a value of kv or an actor.
 */
import { existsSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { pathsIn, writeFileDurably } from '../../../registry/store/directory.ts'
import type { StoreOptions } from '../../../registry/store/protocol.ts'
import { serveStore } from '../../../registry/store/thread.ts'
import { MIGRATIONS } from './migrations.ts'
import { logOperations } from './operations/table.ts'

if (parentPort === null) throw new Error('thread is run by openEventLog, as a worker thread')

const options: StoreOptions = workerData

serveStore(parentPort, options, {
  store: 'events',
  migrations: MIGRATIONS,
  operations: logOperations,
  setUp(database, dataDir) {
    const mark = dataDir === null ? undefined : pathsIn(dataDir, 'events').mark
    // Only now, when the tables are on the disk: a start that was interrupted must not look like a lost store.
    if (mark !== undefined && !existsSync(mark))
      writeFileDurably(mark, 'events.sqlite beside this file has been in use.\n')
    return database
  },
})
