/** Making: asynchronously, once for all who ask, in order; and what fails in it. */
import { describe, expect, test } from 'vitest'
import type { Container } from '../../host/di/container.ts'
import { provide, type Provider } from '../../host/di/provider.ts'
import { token } from '../../host/di/token.ts'
import { gate } from './gate.ts'
import { containerOf } from './containers.ts'

const [A, B, C] = [token<object>('A'), token<object>('B'), token<object>('C')]

describe('what is made asynchronously', () => {
  test('is made by make(), each after what it depends on, and is there for a plain resolve', async () => {
    const order: string[] = []
    const part = (provided: typeof A, name: string, inject: (typeof A)[]): Provider =>
      provide(provided, {
        inject,
        async useFactory() {
          order.push(`${name}…`)
          await Promise.resolve()
          order.push(name)
          return { name }
        },
      })
    const container = containerOf(part(C, 'C', [B, A]), part(B, 'B', [A]), part(A, 'A', []))
    expect(() => container.resolve(C)).toThrow(
      expect.objectContaining({
        code: 'VELA_DI_FACTORY_FAILED',
        message: expect.stringContaining('asynchronously'),
      }),
    )
    await container.dispose()

    order.length = 0
    const again = containerOf(part(C, 'C', [B, A]), part(B, 'B', [A]), part(A, 'A', []))
    await again.make()
    expect(order).toEqual(['A…', 'A', 'B…', 'B', 'C…', 'C'])
    expect(again.resolve(C)).toEqual({ name: 'C' })
  })

  test('is made once for all who ask at the same time, from whichever scope', async () => {
    const ready = gate()
    let made = 0
    const container = containerOf(
      provide(A, {
        async useFactory() {
          made++
          await ready.passed
          return {}
        },
      }),
      provide(B, {
        inject: [A],
        scope: 'request',
        async useFactory(a) {
          made++
          return await Promise.resolve({ a })
        },
      }),
    )
    const request = container.scope('request')
    const asked = [
      container.resolveAsync(A),
      request.resolveAsync(A),
      request.resolveAsync(B),
      request.resolveAsync(B),
    ]
    ready.open()
    const [a, again, b, same] = await Promise.all(asked)
    expect(a).toBe(again)
    expect(b).toBe(same)
    expect(b).toEqual({ a })
    expect(made).toBe(2)
    expect(request.resolve(B)).toBe(b)
  })

  test('one whose making failed is made again by who asks next', async () => {
    let attempts = 0
    const container = containerOf(
      provide(A, {
        useFactory: () =>
          ++attempts === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve({ attempts }),
      }),
    )
    await expect(container.resolveAsync(A)).rejects.toThrow('not yet')
    expect(await container.resolveAsync(A)).toEqual({ attempts: 2 })
  })

  test('who must have it at once does not get it while it is being made, and makes no second one', async () => {
    const ready = gate()
    let calls = 0
    const container = containerOf(
      provide(A, {
        useFactory() {
          calls++
          return ready.passed.then(() => ({ calls }))
        },
      }),
    )
    const later = container.resolveAsync(A)
    expect(() => container.resolve(A)).toThrow('asynchronously')
    ready.open()
    expect(await later).toEqual({ calls: 1 })
    expect(container.resolve(A)).toBe(await later)
  })

  test('what a plain resolve could not wait for is disposed when it is there', async () => {
    const disposed: object[] = []
    const ready = gate()
    const container = containerOf(
      provide(A, {
        useFactory: () => ready.passed.then(() => ({ late: true })),
        dispose: (a) => disposed.push(a),
      }),
    )
    expect(() => container.resolve(A)).toThrow('asynchronously')
    ready.open()
    await container.dispose()
    expect(disposed).toEqual([{ late: true }])
  })

  test('onInit is part of the making', async () => {
    const container = containerOf(
      provide(A, {
        useFactory: () => ({ steps: ['made'] }),
        async onInit(a) {
          await Promise.resolve()
          Object.assign(a, { ready: true })
        },
      }),
      provide(B, { inject: [A], useFactory: (a) => ({ ...a }) }),
    )
    expect(() => container.resolve(A)).toThrow('asynchronously')
    await container.make()
    expect(container.resolve(B)).toEqual({ steps: ['made'], ready: true })
  })
})

describe('what a plain resolve began', () => {
  test('goes on, is made once, and is there for who asks later', async () => {
    let made = 0
    const ready = gate()
    const container = containerOf(
      provide(A, { useFactory: () => ({ made: ++made }), onInit: () => ready.passed }),
      provide(B, { useFactory: () => ready.passed.then(() => ({ made: ++made })) }),
    )
    for (const one of [A, B, A, B]) expect(() => container.resolve(one)).toThrow('asynchronously')
    ready.open()
    expect(await container.resolveAsync(B)).toEqual({ made: 2 })
    expect(await container.resolveAsync(A)).toEqual({ made: 1 })
    expect([container.resolve(A), container.resolve(B), made]).toEqual([{ made: 1 }, { made: 2 }, 2])
  })
})

describe('a circle that no check can see, for a factory asks the container itself', () => {
  const asking = (wait: () => unknown, add?: Provider): Container => {
    const container: Container = containerOf(
      provide(A, {
        async useFactory() {
          await wait()
          return { b: await container.resolveAsync(B) }
        },
      }),
      add ?? provide(B, { inject: [A], useFactory: (a) => ({ a }) }),
    )
    return container
  }

  test.each([
    ['at once', () => undefined],
    ['later', () => new Promise((resolve) => setImmediate(resolve))],
  ])('is refused with its path, %s', async (_when, wait) => {
    await expect(asking(wait).make()).rejects.toMatchObject({
      code: 'VELA_DI_FACTORY_FAILED',
      cause: { code: 'VELA_DI_CYCLE', details: { path: ['A', 'B', 'A'] } },
    })
  })

  test('is none if what it asks for does not wait for it', async () => {
    const container = asking(
      () => undefined,
      provide(B, { useFactory: async () => await Promise.resolve({}) }),
    )
    await container.make()
    expect(container.resolve(A)).toEqual({ b: container.resolve(B) })
  })
})

describe('a failing factory', () => {
  const cause = new Error('no database')

  test.each([
    [
      'throws',
      provide(B, {
        inject: [A],
        useFactory: () => {
          throw cause
        },
      }),
    ],
    ['rejects', provide(B, { inject: [A], useFactory: () => Promise.reject(cause) })],
    [
      'fails in onInit',
      provide(B, { inject: [A], useFactory: () => ({}), onInit: () => Promise.reject(cause) }),
    ],
    [
      'is a constructor',
      provide(B, {
        inject: [A],
        useClass: class {
          readonly a: object
          constructor(a: object) {
            this.a = a
            throw cause
          }
        },
      }),
    ],
  ])('that %s is named with its cause, and what was made is disposed in reverse', async (_how, failing) => {
    const log: string[] = []
    const ended = (name: string) => () => void log.push(name)
    const container = containerOf(
      provide(C, { useFactory: () => ({}), dispose: ended('C') }),
      provide(A, { inject: [C], useFactory: async () => await Promise.resolve({}), dispose: ended('A') }),
      failing,
    )
    await expect(container.make()).rejects.toMatchObject({
      code: 'VELA_DI_FACTORY_FAILED',
      message: 'B could not be made: no database',
      cause,
      details: { token: 'B' },
    })
    expect(log).toEqual(['A', 'C'])
    expect(() => container.resolve(A)).toThrow(expect.objectContaining({ code: 'VELA_DI_DISPOSED' }))
  })

  test('that is asked for by another is the one that is named', () => {
    const container = containerOf(
      provide(A, {
        useFactory: () => {
          throw cause
        },
      }),
      provide(B, { inject: [A], useFactory: () => ({}) }),
    )
    expect(() => container.resolve(B)).toThrow('A could not be made: no database')
  })

  test('that is tried again and again leaves nothing behind', async () => {
    const alive = new Set<object>()
    let tries = 0
    const container = containerOf(
      provide(A, {
        useFactory() {
          const a = {}
          alive.add(a)
          return a
        },
        onInit: () => (++tries < 4 ? Promise.reject(cause) : undefined),
        dispose: (a) => alive.delete(a),
      }),
    )
    for (let index = 0; index < 3; index++) {
      await expect(container.resolveAsync(A)).rejects.toThrow('no database')
      expect(alive.size).toBe(0)
    }
    await container.resolveAsync(A)
    expect(alive.size).toBe(1)
    await container.dispose()
    expect(alive.size).toBe(0)
  })

  test('whose onInit fails after it was made has its instance disposed with the scope', async () => {
    const log: string[] = []
    const container = containerOf(
      provide(A, {
        useFactory: () => ({}),
        scope: 'request',
        onInit: () => {
          throw cause
        },
        dispose: () => void log.push('A'),
      }),
    )
    const scope = container.scope('request')
    expect(() => scope.resolve(A)).toThrow('no database')
    await scope.dispose()
    expect(log).toEqual(['A'])
  })
})
