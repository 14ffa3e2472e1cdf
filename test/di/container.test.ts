/** What a container gives: by class, factory, value and alias; one for all, for a tenant, a request, or for each who asks. */
import { describe, expect, test } from 'vitest'
import { given } from '../../host/di/level.ts'
import { provide } from '../../host/di/provider.ts'
import { lazy, optional, token, tokensFor } from '../../host/di/token.ts'
import { containerOf } from './containers.ts'

class Log {
  readonly lines: string[] = []
}
class Mailer {
  readonly log: Log
  readonly from: string
  constructor(log: Log, from: string) {
    this.log = log
    this.from = from
  }
}
const LOG = token<Log>('log')
const FROM = token<string>('from')
const MAILER = token<Mailer>('mailer')

describe('providers', () => {
  test('a class gets what it injects, in the order of its constructor', () => {
    const container = containerOf(
      provide(MAILER, { useClass: Mailer, inject: [LOG, FROM] }),
      provide(LOG, { useClass: Log }),
      provide(FROM, { useValue: 'shop@example.org' }),
    )
    const mailer = container.resolve(MAILER)
    expect(mailer).toBeInstanceOf(Mailer)
    expect(mailer.log).toBe(container.resolve(LOG))
    expect(mailer.from).toBe('shop@example.org')
  })

  test('a factory too; what is falsy is a value like others', () => {
    const ZERO = token<number>('zero')
    const NOTHING = token<undefined>('nothing')
    const BOTH = token<readonly unknown[]>('both')
    let made = 0
    const container = containerOf(
      provide(ZERO, { useFactory: () => made++ }),
      provide(NOTHING, { useFactory: () => undefined }),
      provide(BOTH, { inject: [ZERO, NOTHING], useFactory: (zero, nothing) => [zero, nothing] }),
    )
    expect(container.resolve(BOTH)).toEqual([0, undefined])
    expect(container.resolve(ZERO)).toBe(0)
    expect(made).toBe(1)
  })

  test('an alias is another name of the same, also of an alias, and of any scope', () => {
    const NAMES = [token<Log>('a'), token<Log>('b')] as const
    const container = containerOf(
      provide(NAMES[0], { useExisting: NAMES[1] }),
      provide(NAMES[1], { useExisting: LOG }),
      provide(LOG, { useClass: Log, scope: 'request' }),
    )
    const scope = container.scope('request')
    expect(scope.resolve(NAMES[0])).toBe(scope.resolve(LOG))
    expect(container.scopeOf(NAMES[0])).toBe('request')
  })

  test('a promise as a value is handed on as it is', async () => {
    const PROMISE = token<Promise<string>>('promise')
    const promise = Promise.resolve('kept')
    const container = containerOf(provide(PROMISE, { useValue: promise }))
    await container.make()
    expect(container.resolve(PROMISE)).toBe(promise)
  })

  test('properties are set after the constructor and before onInit, which gets what was injected', () => {
    const seen: unknown[] = []
    class Shop {
      mailer: Mailer | undefined
      readonly atConstruction: unknown
      constructor() {
        this.atConstruction = this.mailer
      }
    }
    const SHOP = token<Shop>('shop')
    const mailer = new Mailer(new Log(), 'x')
    const container = containerOf(
      provide(MAILER, { useValue: mailer }),
      provide(FROM, { useValue: 'from' }),
      provide(SHOP, {
        useFactory: () => new Shop(),
        inject: [FROM],
        properties: { mailer: MAILER },
        onInit: (shop, from) => void seen.push(shop.mailer, from),
      }),
    )
    const shop = container.resolve(SHOP)
    expect(shop.atConstruction).toBeUndefined()
    expect(seen).toEqual([mailer, 'from'])
  })

  test('what is optional is undefined when nobody provides it', () => {
    const FOUND = token<readonly unknown[]>('found')
    const asked = provide(FOUND, {
      inject: [optional(LOG), optional(FROM)],
      useFactory: (log, from) => [log, from],
    })
    expect(containerOf(asked).resolve(FOUND)).toEqual([undefined, undefined])
    expect(containerOf(asked, provide(FROM, { useValue: 'x' })).resolve(FOUND)).toEqual([undefined, 'x'])
  })

  test('what is lazy is asked for when it is called, so that two may know each other', () => {
    interface Side {
      other(): Side
    }
    const LEFT = token<Side>('left')
    const RIGHT = token<Side>('right')
    const container = containerOf(
      provide(LEFT, { inject: [lazy(RIGHT)], useFactory: (other) => ({ other }) }),
      provide(RIGHT, { inject: [LEFT], useFactory: (left) => ({ other: () => left }) }),
    )
    expect(container.resolve(LEFT).other()).toBe(container.resolve(RIGHT))
    expect(container.resolve(RIGHT).other()).toBe(container.resolve(LEFT))
  })

  test('several tokens at once come by their names', () => {
    interface Parts {
      readonly log: Log
      readonly from: string
    }
    const parts = tokensFor<Parts>('my:', { log: true, from: true })
    const container = containerOf(
      provide(parts.log, { useClass: Log }),
      provide(parts.from, { useValue: 'a' }),
    )
    expect(container.resolveAll<Parts>(parts)).toEqual({ log: container.resolve(parts.log), from: 'a' })
    expect(parts.log.name).toBe('my:log')
  })

  test('two tokens of one name are two', () => {
    const [one, other] = [token<number>('n'), token<number>('n')]
    const container = containerOf(provide(one, { useValue: 1 }), provide(other, { useValue: 2 }))
    expect([container.resolve(one), container.resolve(other)]).toEqual([1, 2])
  })

  test('providers may be added later, to what is made already, and taken back', () => {
    const container = containerOf(provide(LOG, { useClass: Log }))
    const log = container.resolve(LOG)
    container.add(
      provide(MAILER, { useClass: Mailer, inject: [LOG, FROM] }),
      provide(FROM, { useValue: 'x' }),
    )
    expect(container.resolve(MAILER).log).toBe(log)
    expect(() =>
      container.add(provide(token('lost'), { inject: [token('gone')], useFactory: () => 1 })),
    ).toThrow('lost → gone')
    expect(container.resolve(LOG)).toBe(log)
    container.remove(MAILER)
    expect(container.has(MAILER)).toBe(false)
    expect(() => container.resolve(MAILER)).toThrow(
      expect.objectContaining({ code: 'VELA_DI_UNKNOWN_TOKEN' }),
    )
  })
})

describe('scopes', () => {
  const TENANT_LOG = token<Log>('tenant log')
  const REQUEST_LOG = token<Log>('request log')
  const OWN_LOG = token<Log>('own log')
  const providers = [
    provide(LOG, { useClass: Log }),
    provide(TENANT_LOG, { useClass: Log, scope: 'tenant' }),
    provide(REQUEST_LOG, { useClass: Log, scope: 'request' }),
    provide(OWN_LOG, { useClass: Log, scope: 'transient' }),
  ]

  test('each has its own instances, and shares those of the scopes around it', () => {
    const container = containerOf(...providers)
    const [acme, globex] = [container.scope('tenant'), container.scope('tenant')]
    const [first, second] = [acme.scope('request'), acme.scope('request')]
    expect(first.resolve(LOG)).toBe(container.resolve(LOG))
    expect(first.resolve(TENANT_LOG)).toBe(second.resolve(TENANT_LOG))
    expect(first.resolve(TENANT_LOG)).toBe(acme.resolve(TENANT_LOG))
    expect(acme.resolve(TENANT_LOG)).not.toBe(globex.resolve(TENANT_LOG))
    expect(first.resolve(REQUEST_LOG)).toBe(first.resolve(REQUEST_LOG))
    expect(first.resolve(REQUEST_LOG)).not.toBe(second.resolve(REQUEST_LOG))
    expect(first.resolve(OWN_LOG)).not.toBe(first.resolve(OWN_LOG))
  })

  test('a tenant’s instance stays when providers are added', () => {
    const container = containerOf(...providers)
    const acme = container.scope('tenant')
    const log = acme.resolve(TENANT_LOG)
    container.add(provide(FROM, { useValue: 'x' }))
    expect(acme.resolve(TENANT_LOG)).toBe(log)
    expect(acme.scope('request').resolve(TENANT_LOG)).toBe(log)
  })

  test('what lives in a scope cannot be had outside of one, nor what needs it', () => {
    const NEEDS = token<object>('needs')
    const THROUGH = token<object>('through')
    const container = containerOf(
      ...providers,
      provide(NEEDS, { inject: [REQUEST_LOG, TENANT_LOG], useFactory: () => ({}), scope: 'transient' }),
      provide(THROUGH, { useExisting: NEEDS }),
    )
    const request = container.scope('request')
    for (const [from, wanted] of [
      [container, REQUEST_LOG],
      [container, TENANT_LOG],
      [container, THROUGH],
      [container.scope('tenant'), THROUGH],
      [request, TENANT_LOG],
      [request, THROUGH],
    ] as const) {
      expect(() => from.resolve(wanted)).toThrow(expect.objectContaining({ code: 'VELA_DI_CAPTIVE' }))
    }
    expect(container.scope('tenant').scope('request').resolve(THROUGH)).toEqual({})
    expect(() => request.scope('request')).toThrow(TypeError)
  })

  test('a singleton that a request asks for first is made outside of the request', async () => {
    const log: string[] = []
    const HOLDER = token<Log>('holder')
    const container = containerOf(
      provide(OWN_LOG, { useClass: Log, scope: 'transient', dispose: () => log.push('disposed') }),
      provide(HOLDER, { inject: [OWN_LOG], useFactory: (own) => own }),
    )
    const request = container.scope('request')
    const holder = request.resolve(HOLDER)
    await request.dispose()
    expect(log).toEqual([])
    expect(container.resolve(HOLDER)).toBe(holder)
    await container.dispose()
    expect(log).toEqual(['disposed'])
  })

  test('who opens a scope gives it what it alone knows', () => {
    const TENANT = token<string>('tenant')
    const REQUEST = token<{ id: string }>('request')
    const GREETING = token<string>('greeting')
    const container = containerOf(
      provide(TENANT, { useScope: 'tenant' }),
      provide(REQUEST, { useScope: 'request' }),
      provide(GREETING, {
        inject: [TENANT, REQUEST],
        useFactory: (tenant, { id }) => `${tenant} ${id}`,
        scope: 'request',
      }),
    )
    const acme = container.scope('tenant', [given(TENANT, 'acme')])
    const scope = acme.scope('request', [given(REQUEST, { id: '7' })])
    expect(scope.resolve(GREETING)).toBe('acme 7')
    expect(() => acme.scope('request').resolve(GREETING)).toThrow(
      expect.objectContaining({
        code: 'VELA_DI_UNKNOWN_TOKEN',
        message: expect.stringContaining('request was not given'),
      }),
    )
    expect(() => acme.scope('request', [given(TENANT, 'globex')])).toThrow(TypeError)
    expect(() => acme.scope('request', [given(GREETING, 'hi')])).toThrow(TypeError)
  })
})
