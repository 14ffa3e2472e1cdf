/** All operations of the actors' store, as its thread serves them and the host's thread calls them. */
import type { Sql } from '../../../../registry/store/database.ts'
import type { Operations } from '../../../../registry/store/protocol.ts'
import { alarmWrites } from './alarms.ts'
import { deadReads, deadWrites } from './dead.ts'
import { serviceReads, serviceWrites } from './services.ts'
import { stateReads } from './state.ts'
import { changeWrites } from './change.ts'

export type ActorOperations = typeof stateReads &
  typeof changeWrites &
  typeof alarmWrites &
  typeof deadReads &
  typeof deadWrites &
  typeof serviceReads &
  typeof serviceWrites

export const actorOperations: Operations<Sql> = {
  reads: { ...stateReads, ...deadReads, ...serviceReads },
  writes: { ...alarmWrites, ...deadWrites, ...serviceWrites },
  checkedWrites: changeWrites,
}
