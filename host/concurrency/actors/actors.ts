/**
 * The host's half of actors in one piece: directory, store, messages, alarms and dead letters. What it is told of a guest's side
 * (epochs, names, changes) has been parsed by whoever calls, and is believed only as far as the directory confirms it.
 */
import { nowMs } from '../../cells/clock.ts'
import { VelaError } from '../../core/errors.ts'
import { createAlarms } from './alarms.ts'
import type { Actors, ActorsDeps, Sender } from './contract.ts'
import { createDirectory } from './directory.ts'
import { createHostActorSystem, HOST } from './host/host-actors.ts'
import { createMessages } from './messages.ts'
import { passivate } from './passivate-call.ts'
import type { DueAlarm } from './store/store.ts'
import { MAX_DEAD_ARGS_CHARACTERS } from './types.ts'

export type { ActorMeter, Actors, Sender } from './contract.ts'

const REST_MS = 10_000
/** For the host's own actors to be unloaded. */
const CLOSE_MS = 5_000

export function createActors(deps: ActorsDeps): Actors {
  const { store, meter } = deps
  const directory = createDirectory({
    load: (address) => store.load(address),
    find: deps.find,
    passivate: (home) => passivate(home, REST_MS, undefined),
  })
  const messages = createMessages(deps, directory)

  const deliver = async ({ address, dueMs, retries }: DueAlarm): Promise<void> => {
    const info = { retryCount: retries, scheduledTime: dueMs }
    if (address.tenant === HOST) return await host.ring(address, info)
    const argsText = JSON.stringify([info])
    await messages.send(address, { kind: 'alarm', method: 'alarm', argsText }, NOBODY)
  }

  const addDead: Actors['addDead'] = (
    { tenant, service, class: className, name },
    { method, reason, args },
  ) => {
    meter.deadLetter()
    // What it stored is dropped with a service, and nothing is to stand under its name again for one that comes later.
    if (tenant !== HOST && deps.find(tenant, service) === undefined) return Promise.resolve()
    return store.addDead(tenant, service, {
      class: className,
      name,
      method: method.slice(0, 256),
      reason: reason.slice(0, 1024),
      at: nowMs(),
      args: args === null || args.length > MAX_DEAD_ARGS_CHARACTERS ? null : args,
    })
  }

  const alarms = createAlarms({
    store,
    deliver,
    onDead: ({ address }, reason) => {
      addDead(address, { method: 'alarm', reason, args: null }).catch((thrown: unknown) =>
        deps.onFailure('a dead letter could not be kept', thrown),
      )
    },
    onFailure: (thrown) => deps.onFailure('an alarm could not be kept', thrown),
    now: nowMs,
    ...(deps.alarmBackoffMs === undefined ? {} : { backoffMs: deps.alarmBackoffMs }),
  })

  const host = createHostActorSystem({
    store,
    now: nowMs,
    onAlarm: (atMs) => alarms.wake(atMs),
    onDead(address, method, thrown) {
      const reason = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
      addDead(address, { method, reason, args: null }).catch((failure: unknown) =>
        deps.onFailure('a dead letter could not be kept', failure),
      )
    },
  })

  return {
    host,
    send: messages.send,
    locate: messages.locate,
    fetch: messages.fetch,
    depth: messages.depth,
    async read(address, home, epoch, keys) {
      const { row } = directory.held(address, home, epoch)
      if (row === null) return []
      const { entries, more } = await store.read(address.tenant, row, keys)
      return more ? tooMuch() : entries
    },
    async list(address, home, epoch, range) {
      const { row } = directory.held(address, home, epoch)
      if (row === null) return []
      const { entries, more } = await store.list(address.tenant, row, range)
      return more ? tooMuch() : entries
    },
    async write(address, home, epoch, change, quotaBytes) {
      const placed = directory.held(address, home, epoch)
      placed.row = await store.change(address, placed.row, change, quotaBytes)
      if (typeof change.alarmMs === 'number') alarms.wake(change.alarmMs)
    },
    released: (address, home, epoch) => directory.released(address, home, epoch),
    addDead,
    rest: (home) => directory.rest(home),
    restAll: () => directory.restAll(),
    async evict(which, error) {
      const had = [...directory.evict(which, error)]
      await Promise.all(had.map(([home, there]) => passivate(home, REST_MS, there)))
    },
    isActive: (address) => directory.has(address),
    wakeAlarms: (atMs) => alarms.wake(atMs),
    async status(tenant, service) {
      const [usage, deadLetters] = await Promise.all([
        store.usage(tenant, service),
        store.countDead(tenant, service),
      ])
      return {
        active: directory.activeIn(tenant, service),
        stored: usage.actors,
        bytes: usage.bytes,
        deadLetters,
      }
    },
    deadLetters: (tenant, service, limit) => store.deadLetters(tenant, service, limit),
    activeCount: () => directory.size,
    async drop(tenant, service) {
      directory.forget(tenant, service)
      await store.drop(tenant, service)
    },
    async leave(tenant, service) {
      directory.forget(tenant, service)
      await store.leave(tenant, service)
    },
    start: () => alarms.start(),
    stop: (withinMs) => alarms.stop(withinMs),
    async close() {
      await alarms.stop(0)
      await host.close(CLOSE_MS)
      messages.close()
      await store.close()
    },
  }
}

const NOBODY: Sender = {
  caller: undefined,
  requestId: '',
  depth: 0,
  deadlineMs: Infinity,
  signal: undefined,
}

function tooMuch(): never {
  throw new VelaError(
    'VELA_CAPABILITY_BAD_CALL',
    'The answer would have more than 4 MiB; ask for less at once',
  )
}
