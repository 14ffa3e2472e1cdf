/** The SDK's types of containers, as an author's compiler sees them: what fits compiles, what does not is an error. */
import { expect, test } from 'vitest'
import { createWorkshop, runTool } from '../sdk/project.ts'

const GUEST = `
import { ACTOR, Actor, CONTEXT, binding, container, lazy, optional, provide, token } from '@vela/guest-sdk'
import type { Container, ExportedHandler, Injectable, KvNamespace, Provider, Resolving, ServiceStub, Token } from '@vela/guest-sdk'

interface Clock { now(): number }
interface Mailer { send(to: string): boolean }
interface Env { readonly KV: KvNamespace; readonly MAIL: ServiceStub<Mailer> }
class Orders {
  log?: Log
  constructor(readonly kv: KvNamespace, readonly clock: Clock) {}
  list(): Promise<string | null> { return this.kv.get('orders') }
}
class Log { constructor(readonly id: string) {} write(text: string): void { void text } [Symbol.dispose](): void {} }

const CLOCK = token<Clock>('clock')
const ORDERS = token<Orders>('orders')
const LOG = token<Log>('log')
const NAME = token<string>('name')
const KV = binding<KvNamespace>('KV')
const MAIL: Token<ServiceStub<Mailer>> = binding('MAIL', { deadlineMs: 500 })

const providers: readonly Provider[] = [
  provide(CLOCK, { useValue: { now: () => 1 } }),
  provide(ORDERS, {
    useClass: Orders,
    inject: [KV, CLOCK],
    properties: { log: optional(LOG) },
    scope: 'request',
    onInit: (orders, kv, clock) => { void [orders.list(), kv.get('x'), clock.now()] },
    dispose: (orders) => orders.clock.now(),
  }),
  provide(LOG, { useFactory: async (ctx, clock) => new Log(ctx.requestId + clock().now()), inject: [CONTEXT, lazy(CLOCK)], scope: 'request' }),
  provide(NAME, { useFactory: (actor) => actor.id.name, inject: [ACTOR], scope: 'actor' }),
]
const app: Container = container(providers, { overrides: [provide(MAIL, { useValue: { send: async () => true, fetch } as never })] })

export const quote = app.inject([ORDERS, MAIL], async (orders, mail, to: string, times = 1) => {
  const sent: boolean = await mail.send(to)
  return [await orders.list(), sent, times] as const
})
export class Cart extends Actor<Env> {
  readonly #name = app.scope(this.ctx).resolve(NAME)
  name(): string { return this.#name }
}
export default {
  fetch: app.inject([ORDERS, optional(LOG)], async (orders, log, request: Request, _env: Env, ctx) => {
    log?.write(request.url)
    void ctx
    return Response.json(await orders.list())
  }),
  async scheduled(_controller, _env, ctx) {
    const scope: Resolving = app.scope(ctx)
    const log: Log = await scope.resolveAsync(LOG)
    log.write(String(scope.has(NAME)))
  },
  stop: () => app.dispose(),
} satisfies ExportedHandler<Env>

export const right: Promise<readonly [string | null, boolean, number]> = (async () => await quote('ada'))()
export const listed: Injectable<Clock | undefined> = optional(CLOCK)

// @ts-expect-error the constructor takes two
provide(ORDERS, { useClass: Orders, inject: [KV] })
// @ts-expect-error in the other order
provide(ORDERS, { useClass: Orders, inject: [CLOCK, KV] })
// @ts-expect-error optional is perhaps undefined
provide(ORDERS, { useClass: Orders, inject: [KV, optional(CLOCK)] })
// @ts-expect-error no Clock
provide(CLOCK, { useValue: { later: () => 1 } })
// @ts-expect-error another type
provide(CLOCK, { useExisting: NAME })
// @ts-expect-error no such property
provide(ORDERS, { useClass: Orders, inject: [KV, CLOCK], properties: { logs: LOG } })
// @ts-expect-error property of another type
provide(ORDERS, { useClass: Orders, inject: [KV, CLOCK], properties: { log: CLOCK } })
// @ts-expect-error one way only
provide(NAME, { useValue: 'x', useFactory: () => 'x' })
// @ts-expect-error no such scope
provide(NAME, { useFactory: () => 'x', scope: 'tenant' })
// @ts-expect-error a factory of something else
provide(NAME, { useFactory: () => 7 })
// @ts-expect-error no list of tokens
app.inject([CLOCK, 7], (clock) => clock)
// @ts-expect-error what is injected has its type
app.inject([CLOCK], (clock: Orders) => clock)
// @ts-expect-error another argument
void quote(7)
// @ts-expect-error a number
export const name: number = app.resolve(NAME)
// @ts-expect-error env is no ctx
app.scope({ KV: 1 })
// @ts-expect-error a promise
export const log: Log = app.resolveAsync(LOG)
`

test('a container is typed from its tokens to its handlers, and what does not fit does not compile', async () => {
  using workshop = createWorkshop()
  workshop.write('src/index.ts', GUEST)
  workshop.write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        target: 'es2024',
        lib: ['esnext', 'dom'],
        module: 'esnext',
        moduleResolution: 'bundler',
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        allowImportingTsExtensions: true,
        types: [],
      },
      include: ['src'],
    }),
  )
  const { exitCode, output } = await runTool('tsc', ['-p', '.'], workshop.path)
  expect([exitCode, output]).toEqual([0, ''])
}, 120_000)
