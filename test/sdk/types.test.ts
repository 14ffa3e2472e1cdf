/** The SDK's types against what the host and the guest really are. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ERRORS } from '../../host/core/errors.ts'
import { read } from '../structure/tree.ts'
import { createWorkshop, runTool } from './project.ts'

const workshop = createWorkshop()
afterAll(() => workshop[Symbol.dispose]())

/** What a guest can never catch: it concerns deploying, operating and other callers. */
const NOT_IN_GUESTS =
  /^VELA_(?:DEPLOY|AUTH|ADMIN|CONFIG|HOST|LIFECYCLE|REPLAY|PROTOCOL|ROUTE|VERSION|SECRET|SCHEDULE)_/
const NEITHER_IN_GUESTS: ReadonlySet<string> = new Set([
  'VELA_TENANT_NOT_FOUND',
  'VELA_TENANT_EXISTS',
  'VELA_TENANT_NOT_EMPTY',
  // Of the socket of a client, before there is a turn.
  'VELA_GATEWAY_BAD_REQUEST',
  'VELA_GATEWAY_HEADERS_TOO_LARGE',
  'VELA_GATEWAY_TIMEOUT',
  // Reserved: never raised.
  'VELA_TURN_NEVER_SETTLED',
  // An operator's decision names a binding that is not there.
  'VELA_CAPABILITY_NOT_FOUND',
  // Between the hosts, and for operators.
  'VELA_EVENTS_FENCED',
  'VELA_EVENTS_CONSUMER_NOT_FOUND',
  'VELA_EVENTS_CONSUMER_IN_USE',
  // At the start of the host.
  'VELA_STORE_LOCKED',
  'VELA_STORE_DAMAGED',
  // Changes by operators.
  'VELA_CLUSTER_CONFLICT',
  'VELA_CLUSTER_NO_KEY',
])

test('VelaErrorCode has every code of the host that a guest can catch, and no other', () => {
  const declared = [...read('guest-sdk/types/errors.ts').matchAll(/^ {2}\| '(VELA_\w+)'/gm)].map(
    (match) => match[1] ?? '',
  )
  const catchable = Object.keys(ERRORS).filter(
    (code) => !NOT_IN_GUESTS.test(code) && !NEITHER_IN_GUESTS.has(code),
  )
  expect(declared.sort()).toEqual(catchable.sort())
})

const GUEST = `
import { Actor, DurableObject, WorkerEntrypoint, eventMiddleware, type EventBatch, type EventBinding, type EventMessage, type ActorHandlers, type ActorNamespace, type ActorOptions, type ExportedHandler, type KvNamespace, type KvReader, type MethodStub, type ServiceStub, type VelaErrorCode, type HostTask, type WorkerPool } from '@vela/guest-sdk'

interface Cart { readonly items: readonly string[] }
class Mailer extends WorkerEntrypoint {
  send(to: string): { id: string } { return { id: to } }
  async later(minutes: number): Promise<number> { return minutes }
  fetch(): void {}
}
class Room extends Actor<Env> implements ActorHandlers {
  static options: ActorOptions = { mailbox: { capacity: 5, overflow: 'drop-lowest' }, supervision: { strategy: 'restart' }, version: 2 }
  async join(name: string, at?: Date): Promise<number> {
    void this.ctx.blockConcurrencyWhile(async () => undefined)
    const known: Map<string, number> = await this.ctx.storage.get<number>(['a', 'b'])
    const moved: boolean = await this.ctx.storage.transaction(async (txn) => { txn.rollback(); return await txn.delete(name) })
    await this.ctx.children.get(Room, 'inner').join('ada')
    return known.size + (moved ? 1 : 0) + Number(at ?? 0)
  }
  _private(): void {}
  async upgrade(old: Map<string, unknown>, from: number): Promise<void> { await this.ctx.storage.put({ old: old.size, from }) }
  webSocketMessage(): void {}
}
class Ported extends DurableObject<Env> { count(): number { return 1 } }
interface Env {
  readonly ROOM: ActorNamespace<Room>
  readonly PORTED: ActorNamespace<Ported>
  readonly LOOSE: ActorNamespace
  readonly CARTS: KvNamespace
  readonly PRICES: KvReader
  readonly mail: ServiceStub<Mailer>
  readonly bank: MethodStub<{ pay(cents: number): boolean }>
  readonly any: ServiceStub
  readonly POOL: WorkerPool<{ fib(n: number): number; later(x: { at: Date }): Promise<Map<string, Date>>; go(): string; size: number }>
  readonly ANY: WorkerPool
  readonly SHRINK: HostTask<Uint8Array, string>
  readonly ORDERS: EventBinding<{ 'orders.placed': Cart; 'orders.lost': string }>
  readonly EVENTS: EventBinding
}

const orders = eventMiddleware({ publish: [eventMiddleware.filter(({ data }) => data !== null)], handle: [eventMiddleware.retry({ times: 2 })] })
export const onPlaced = orders.handler(async (event: EventMessage<Cart>, env: Env) => {
  const items: readonly string[] = event.data.items
  await orders.binding(env.ORDERS).publish('orders.lost', items.join())
  if (event.attempts > 3) event.retry({ delaySeconds: 5 })
})
export async function queue(batch: EventBatch<Cart>) {
  for (const { body, timestamp, ack } of batch.messages) void [body.items, timestamp.getTime(), ack]
  batch.retryAll()
}

export async function right(env: Env) {
  const { id: eventId, sequence }: { readonly id: string; readonly sequence?: number } = await env.ORDERS.publish('orders.placed', { items: [] }, { key: 'ada' })
  await env.EVENTS.publish('whatever', [eventId, sequence, new Map()])
  await env.ORDERS.send('lost')
  const text: string | null = await env.CARTS.get('a')
  const cart: Cart | null = await env.CARTS.get<Cart>('a', 'json')
  const bytes: ArrayBuffer | null = await env.CARTS.get('a', { type: 'arrayBuffer' })
  const many: Map<string, string | null> = await env.CARTS.get(['a', 'b'])
  const { value, version } = await env.CARTS.getWithMetadata<Cart>('a', 'json')
  await env.CARTS.put('a', new Uint8Array(1), { ifVersion: version, expirationTtl: 60, metadata: { by: 'me' } })
  await env.CARTS.prefix('eu/').put('a', 'b')
  const page = await env.PRICES.list({ prefix: 'p' })
  const cursor: string = page.list_complete ? '' : page.cursor
  const id: string = (await env.mail.send('ada')).id
  const minutes: number = await env.mail.later(5)
  const paid: boolean = await env.bank.pay(100)
  const unknown: unknown = await env.any.whatever(1, 'two')
  const code: VelaErrorCode = 'VELA_KV_CONFLICT'
  const joined: number = await env.ROOM.get('lobby').join('ada', new Date())
  const asked: unknown = await env.ROOM.ask(env.ROOM.idFromName('lobby'), 'join', ['ada'], { deadlineMs: 50, priority: 2 })
  await env.ROOM.tell('lobby', 'join', ['ada'], { priority: -1 })
  const waiting: number = await env.ROOM.depth('lobby')
  const counted: number = await env.PORTED.getByName('x').count()
  const loose: unknown = await env.LOOSE.ask('x', 'whatever', [1, 'two'])
  const sum: number = await env.POOL.run('fib', 30)
  const when: Map<string, Date> = await env.POOL.run('later', { at: new Date() })
  const word: string = await env.POOL.run('go')
  const sums: number[] = await env.POOL.map('fib', new Set([1, 2]), { concurrency: 2 })
  const outcomes: PromiseSettledResult<number>[] = await env.POOL.map('fib', [1], { settled: true })
  const anything: unknown = await env.ANY.run('whatever', [1])
  const small: string = await env.SHRINK.run(new Uint8Array(1))
  void [joined, asked, waiting, counted, loose, sum, when, word, sums, outcomes, anything, small]
  return [text, cart, bytes, many, value, cursor, id, minutes, paid, unknown, code]
}

export async function wrong(env: Env) {
  // @ts-expect-error no such subject
  await env.ORDERS.publish('orders.found', 'x')
  // @ts-expect-error another subject's data
  await env.ORDERS.publish('orders.placed', 'x')
  // @ts-expect-error a key is a text
  await env.EVENTS.publish('a', 1, { key: 7 })
  // @ts-expect-error only reading
  await env.PRICES.put('a', 'b')
  // @ts-expect-error only reading
  await env.CARTS.readOnly().delete('a')
  // @ts-expect-error no such type
  await env.CARTS.get('a', 'xml')
  // @ts-expect-error a number is no value
  await env.CARTS.put('a', 7)
  // @ts-expect-error null where there is no such key
  const text: string = await env.CARTS.get('a')
  // @ts-expect-error no such method
  await env.mail.sent('ada')
  // @ts-expect-error another argument
  await env.mail.send(7)
  // @ts-expect-error a promise
  const id: string = env.mail.send('ada').id
  // @ts-expect-error a service of the host has no fetch
  await env.bank.fetch('http://bank/')
  // @ts-expect-error no such function
  await env.POOL.run('fob', 1)
  // @ts-expect-error no function
  await env.POOL.run('size', 1)
  // @ts-expect-error another input
  await env.POOL.run('fib', 'x')
  // @ts-expect-error no input
  await env.POOL.run('fib')
  // @ts-expect-error another input
  await env.POOL.map('fib', ['x'])
  // @ts-expect-error another input
  await env.SHRINK.run('x')
  // @ts-expect-error another argument
  await env.ROOM.get('lobby').join(7)
  // @ts-expect-error not for others
  await env.ROOM.get('lobby')._private()
  // @ts-expect-error called by the runtime
  await env.ROOM.get('lobby').upgrade(new Map(), 1)
  // @ts-expect-error a promise
  const soon: number = env.ROOM.get('lobby').join('ada')
  // @ts-expect-error no such policy
  const options: ActorOptions = { mailbox: { overflow: 'explode' } }
  void [soon, options]
  // @ts-expect-error no such code
  const code: VelaErrorCode = 'VELA_DEPLOY_TOO_LARGE'
  return [text, id, code]
}

export default {
  scheduled: async ({ cron, scheduledTime }, env, ctx) => {
    ctx.waitUntil(env.CARTS.put(cron, String(scheduledTime)))
  },
  stop: (reason: 'replaced' | 'deleted' | 'shutdown') => { void reason },
} satisfies ExportedHandler<Env>
`

const WEB = `
import type { ExportedHandler, ServiceStub } from '@vela/guest-sdk'

export default {
  async fetch(request, env) {
    const { 0: client, 1: server } = new WebSocketPair()
    server.accept()
    server.addEventListener('message', ({ data }) => server.send(data as string))
    if (request.headers.get('upgrade') === 'websocket') return new Response(null, { status: 101, webSocket: client })
    return await env.search.fetch(request.url, { signal: request.signal, method: 'POST' })
  },
} satisfies ExportedHandler<{ readonly search: ServiceStub }>

// @ts-expect-error no Response
export const wrong = { fetch: () => 7 } satisfies ExportedHandler
`

const compile = async (name: string, source: string, options: object): Promise<unknown> => {
  const folder = join(workshop.path, name)
  mkdirSync(folder)
  workshop.write(`${name}/index.ts`, source)
  const compilerOptions = {
    target: 'es2024',
    module: 'esnext',
    moduleResolution: 'bundler',
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    types: [],
    ...options,
  }
  workshop.write(`${name}/tsconfig.json`, JSON.stringify({ compilerOptions, files: ['index.ts'] }))
  return await runTool('tsc', [], folder)
}

test('the types say what a guest may do and refuse the rest, without any library of web types', async () => {
  expect(await compile('bare', GUEST, { lib: ['es2024'] })).toEqual({ exitCode: 0, output: '' })
})

test('with a library of web types, handlers have its Request, Response and WebSocket', async () => {
  const types = ['@vela/guest-sdk/globals']
  expect(await compile('worker', WEB, { lib: ['es2024', 'webworker'], types })).toEqual({
    exitCode: 0,
    output: '',
  })
  expect(await compile('dom', WEB, { lib: ['es2024', 'dom', 'dom.iterable'], types })).toEqual({
    exitCode: 0,
    output: '',
  })
})

test('the strictest settings of a compiler find nothing in the types', async () => {
  const options = {
    lib: ['es2024', 'webworker'],
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    noImplicitOverride: true,
    verbatimModuleSyntax: true,
    isolatedModules: true,
    erasableSyntaxOnly: true,
    noUnusedLocals: true,
  }
  // Of a service without a list of methods any may be missing, as with every index signature under these settings.
  const source = GUEST.replaceAll('env.any.whatever(', "env.any['whatever']?.(")
  expect(await compile('strict', source, options)).toEqual({ exitCode: 0, output: '' })
})
