/** All operations of the log of durable events, as its thread serves them and the host's thread calls them. */
import type { Sql } from '../../../../registry/store/database.ts'
import type { Operations } from '../../../../registry/store/protocol.ts'
import { cursorReads, cursorSaves, cursorWrites } from './cursors.ts'
import { deadReads, deadWrites } from './dead.ts'
import { eventAppends, eventReads, eventTrims } from './events.ts'
import { sweepWrites } from './sweep.ts'
import { tenantReads, tenantWrites } from './tenants.ts'

export type LogOperations = typeof eventReads &
  typeof eventAppends &
  typeof eventTrims &
  typeof cursorReads &
  typeof cursorWrites &
  typeof cursorSaves &
  typeof deadReads &
  typeof deadWrites &
  typeof sweepWrites &
  typeof tenantReads &
  typeof tenantWrites

export const logOperations: Operations<Sql> = {
  reads: { ...eventReads, ...cursorReads, ...deadReads, ...tenantReads },
  writes: { ...cursorWrites, ...deadWrites, ...sweepWrites, ...tenantWrites, ...eventTrims },
  checkedWrites: { ...eventAppends, ...cursorSaves },
}
