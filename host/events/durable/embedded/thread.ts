/**
 * The module that the thread of the log of durable events runs. It has a file and a thread of its own, so that events slow other
 * events at most, and never a deploy, a look at a token, a value of kv or an actor.
 */
import { serveStore } from '../../../registry/store/thread.ts'
import { MIGRATIONS } from './migrations.ts'
import { logOperations } from './operations/table.ts'

serveStore({
  store: 'events',
  migrations: MIGRATIONS,
  operations: logOperations,
  setUp: (database) => database,
})
