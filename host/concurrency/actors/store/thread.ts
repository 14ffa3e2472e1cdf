/**
 * The module that the thread of the actors' store runs. It has a file and a thread of its own, so that actors that write
 * much slow other actors at most, and never a deploy, a look at a token or a value of kv.
 */
import { existsSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { pathsIn, writeFileDurably } from '../../../registry/store/directory.ts'
import type { StoreOptions } from '../../../registry/store/protocol.ts'
import { serveStore } from '../../../registry/store/thread.ts'
import { MIGRATIONS } from './migrations.ts'
import { actorOperations } from './operations/table.ts'

if (parentPort === null) throw new Error('thread is run by openActorStore, as a worker thread')

const options: StoreOptions = workerData

serveStore(parentPort, options, {
  store: 'actors',
  migrations: MIGRATIONS,
  operations: actorOperations,
  setUp(database, dataDir) {
    const mark = dataDir === null ? undefined : pathsIn(dataDir, 'actors').mark
    // Only now, when the tables are on the disk: a start that was interrupted must not look like a lost store.
    if (mark !== undefined && !existsSync(mark))
      writeFileDurably(mark, 'actors.sqlite beside this file has been in use.\n')
    // Alarms that were under way when the last host ended: nobody will say how they went.
    database.run('UPDATE actors SET try = due, claimed = 0 WHERE claimed = 1')
    return database
  },
})
