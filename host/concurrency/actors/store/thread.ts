/**
 * The module that the thread of the actors' store runs. It has a file and a thread of its own, so that actors that write
 * much slow other actors at most, and never a deploy, a look at a token or a value of kv.
 */
import { serveStore } from '../../../registry/store/thread.ts'
import { MIGRATIONS } from './migrations.ts'
import { actorOperations } from './operations/table.ts'

serveStore({
  store: 'actors',
  migrations: MIGRATIONS,
  operations: actorOperations,
  setUp(database) {
    // Alarms that were under way when the last host ended: nobody will say how they went.
    database.run('UPDATE actors SET try = due, claimed = 0 WHERE claimed = 1')
    return database
  },
})
