/** emittery, whose ten listeners are registered for each of the 64 names: it has no patterns. */
import Emittery from 'emittery'
import { HANDLERS, SUBJECTS, createTally, type Data } from './load.ts'

export function createEmittery(): (count: number) => Promise<number> {
  const emitter = new Emittery<Record<string, Data>>()
  const tally = createTally()
  for (let index = 0; index < HANDLERS; index++) emitter.on([...SUBJECTS], ({ data }) => tally.handler(data))
  return (count) => tally.run((subject, data) => emitter.emit(subject, data), count)
}
