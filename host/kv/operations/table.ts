/** All operations of the key-value store, as its thread serves them and the host's thread calls them. */
import type { Sql } from '../../registry/store/database.ts'
import type { Operations } from '../../registry/store/protocol.ts'
import { entryReads, entryWrites } from './entries.ts'
import { listReads } from './list.ts'
import { replicaReads, replicaWrites } from './replica.ts'
import { spaceReads, spaceWrites } from './spaces.ts'
import { sweepWrites } from './sweep.ts'

export type KvOperations = typeof entryReads &
  typeof entryWrites &
  typeof listReads &
  typeof replicaReads &
  typeof replicaWrites &
  typeof spaceReads &
  typeof spaceWrites &
  typeof sweepWrites

export const kvOperations: Operations<Sql> = {
  reads: { ...entryReads, ...listReads, ...replicaReads, ...spaceReads },
  writes: { ...replicaWrites, ...spaceWrites, ...sweepWrites },
  checkedWrites: entryWrites,
}
