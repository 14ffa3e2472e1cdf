/** The host's half of actors without cells: homes whose guest is the test itself, over a real store. */
import { expect, onTestFinished } from 'vitest'
import { BODY } from '../../guest-sdk/kernel/messages.ts'
import { createActorsKind, type ActorsOptions } from '../../host/capabilities/actors.ts'
import type { CapabilityCall } from '../../host/capabilities/capability.ts'
import type { Call } from '../../host/cells/call.ts'
import type { Home } from '../../host/cells/home.ts'
import { createActors, type Actors, type Sender } from '../../host/concurrency/actors/actors.ts'
import { openActorStore, type ActorStore } from '../../host/concurrency/actors/store/store.ts'
import type { Activation, ActorAddress } from '../../host/concurrency/actors/types.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { createServiceFetch } from '../../host/services/service-fetch.ts'

/** A message as the guest's kernel reads it. */
export interface Taken {
  readonly handler: number
  readonly name: string
  readonly kind: string
  readonly method: string
  readonly args: unknown
  readonly activation: Activation | null
  readonly call: Call
  /** The handler has returned this. */
  answer(value: unknown): void
}

/** A replica whose guest is the test. */
export interface FakeHome extends Home {
  /** Messages that came and were not looked at. */
  readonly inbox: Taken[]
  next(): Promise<Taken>
  /** True: it takes nothing from its queue, as a cell that was stopped. */
  stuck: boolean
  resting: boolean
  kill(): void
}

export function makeHome(): FakeHome {
  const inbox: Taken[] = []
  const waiting: ((taken: Taken) => void)[] = []
  const callbacks = new Set<() => void>()
  const open = new Set<Call>()
  let gone = false
  const home: FakeHome = {
    inbox,
    stuck: false,
    resting: false,
    load: 0,
    hears: true,
    lost: false,
    get gone() {
      return gone
    },
    onGone(callback) {
      if (gone) callback()
      else callbacks.add(callback)
      return () => void callbacks.delete(callback)
    },
    dispatch(call) {
      if (gone) return call.failed('VELA_CELL_LOST', 'gone')
      open.add(call)
      if (home.stuck) return
      const taken = read(call, () => open.delete(call))
      call.attach(LINK)
      const waiter = waiting.shift()
      if (waiter === undefined) inbox.push(taken)
      else waiter(taken)
    },
    next() {
      const taken = inbox.shift()
      if (taken !== undefined) return Promise.resolve(taken)
      const { promise, resolve } = Promise.withResolvers<Taken>()
      waiting.push(resolve)
      return promise
    },
    kill() {
      gone = true
      for (const callback of callbacks) callback()
      for (const call of open) call.failed('VELA_CELL_LOST', 'gone')
    },
  }
  return home
}

const LINK: Parameters<Call['attach']>[0] = {
  sendBody: () => undefined,
  grant: () => undefined,
  cancel: () => undefined,
  endure: () => false,
  openSocket: () => undefined,
}

function read(call: Call, done: () => void): Taken {
  const said = JSON.parse(call.encode(1)) as [number, number, number, ...unknown[]]
  const handler = said[2]
  if (handler === 6) return readFetch(said as unknown as string[], call, done)
  const body = JSON.parse(call.body) as unknown[]
  const [name, kind, method, argsText, , activation] = body as [
    string,
    string,
    string,
    string,
    object,
    Activation | null,
  ]
  return {
    handler,
    name,
    kind,
    method,
    args: handler === 5 ? JSON.parse(argsText) : body,
    activation,
    call,
    answer(value) {
      done()
      call.value(value === undefined ? undefined : JSON.stringify(JSON.stringify(value)))
    },
  }
}

function readFetch(said: readonly string[], call: Call, done: () => void): Taken {
  const [, , , method = '', url, , , , , , name = '', activation = ''] = said
  return {
    handler: 6,
    name,
    kind: 'fetch',
    method,
    args: url,
    activation: activation === '' ? null : (JSON.parse(activation) as Activation),
    call,
    answer(text) {
      done()
      call.head(200, [], BODY.text, String(text), true)
    },
  }
}

/** One service `acme/shop` with the class `Cart`, whose replicas are `homes`. */
export interface Stage {
  readonly actors: Actors
  readonly store: ActorStore
  readonly homes: FakeHome[]
  /** What `start` does; makes one home if left alone. */
  start: () => Promise<void>
  classes: Set<string>
  readonly outcomes: string[]
}

export interface StageOptions {
  readonly dataDir?: string | null
  readonly alarmBackoffMs?: number
}

export async function makeStage({ dataDir = null, alarmBackoffMs }: StageOptions = {}): Promise<Stage> {
  const store = await openActorStore({ dataDir })
  const homes: FakeHome[] = []
  const outcomes: string[] = []
  const actors = createActors({
    store,
    find: (tenant, service) =>
      tenant !== 'acme' || service !== 'shop'
        ? undefined
        : {
            declares: (name) => stage.classes.has(name),
            homes: () => stage.homes.filter(({ gone, resting }) => !gone && !resting),
            start: () => stage.start(),
          },
    createFetch: (from, request, to, target) =>
      createServiceFetch(from, 'r-1', () => undefined, {
        request,
        onAbsent: () => target.absent(),
        actor() {
          const activation = target.activation()
          return {
            class: to.class,
            name: to.name,
            activation: activation === null ? '' : JSON.stringify(activation),
          }
        },
      }),
    onThrew: () => undefined,
    onFailure: (what, thrown) => {
      throw new Error(what, { cause: thrown })
    },
    meter: {
      message: (kind, outcome) => void outcomes.push(`${kind} ${outcome}`),
      deadLetter: () => void outcomes.push('dead letter'),
    },
    ...(alarmBackoffMs === undefined ? {} : { alarmBackoffMs }),
  })
  const stage: Stage = {
    actors,
    store,
    homes,
    start: () => {
      homes.push(makeHome())
      return Promise.resolve()
    },
    classes: new Set(['Cart']),
    outcomes,
  }
  onTestFinished(() => actors.close())
  return stage
}

export const cart = (name: string): ActorAddress => ({ tenant: 'acme', service: 'shop', class: 'Cart', name })

export const sender = (caller?: Home): Sender => ({
  caller,
  requestId: 'r-1',
  depth: 0,
  deadlineMs: Infinity,
  signal: undefined,
})

export const ask = (
  { actors }: Stage,
  name: string,
  method = 'get',
  args: unknown[] = [],
  more: { deadlineMs?: number; caller?: Home } = {},
): Promise<unknown> =>
  actors
    .send(
      cart(name),
      { kind: 'ask', method, argsText: JSON.stringify(args), deadlineMs: more.deadlineMs },
      sender(more.caller),
    )
    .then((sent) => ('value' in sent ? JSON.parse(sent.value) : sent))

/** A change of the state, as the kernel sends it. */
export const change = (puts: Record<string, string>, more: object = {}): JsonValue => ({
  version: 1,
  puts: Object.entries(puts),
  deletes: [],
  ...more,
})

/** What a guest at that home can do with its binding of the class. */
export function guestAt(
  { actors }: Stage,
  home: Home,
  options: Partial<ActorsOptions> = {},
): (method: string, ...args: JsonValue[]) => Promise<JsonValue | undefined> {
  const capability = createActorsKind(actors).open(
    { class: 'Cart', service: null, quotaMb: null, ...options },
    { tenant: 'acme', service: 'shop', version: 'v1' },
  )
  return async (method, ...args) => (await capability.call(callOf(home, method, args))).value
}

export const callOf = (
  origin: Home,
  method: string,
  args: readonly JsonValue[],
  more: Partial<CapabilityCall> = {},
): CapabilityCall => ({
  origin,
  method,
  args,
  body: undefined,
  requestId: 'r-1',
  deadlineMs: Infinity,
  depth: 0,
  signal: new AbortController().signal,
  ...more,
})

export const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown)
  }
  return 'ok'
}

/** Looks again until it holds: machines under load take their time. */
export const eventually = <Value>(look: () => Value): ReturnType<typeof expect.poll<Awaited<Value>>> =>
  expect.poll(look as () => Awaited<Value>, { timeout: 30_000, interval: 10 })
