/** Disposal: in reverse, whole, and of what is being made at that moment too. */
import { describe, expect, test } from 'vitest'
import type { Container } from '../../host/di/container.ts'
import { provide, type Provider } from '../../host/di/provider.ts'
import { token } from '../../host/di/token.ts'
import { gate } from './gate.ts'
import { containerOf } from './containers.ts'

const [A, B, C] = [token<object>('A'), token<object>('B'), token<object>('C')]

describe('disposal', () => {
  test('goes in reverse order of creation, each awaited, scopes before what they stand in', async () => {
    const log: string[] = []
    const part = (
      provided: typeof A,
      name: string,
      inject: (typeof A)[],
      scope: 'singleton' | 'tenant' | 'request',
    ): Provider =>
      provide(provided, {
        inject,
        scope,
        useFactory: () => ({}),
        async dispose() {
          log.push(`${name}…`)
          await new Promise<void>((resolve) => setImmediate(resolve))
          log.push(name)
        },
      })
    const container = containerOf(
      part(A, 'A', [], 'singleton'),
      part(B, 'B', [A], 'tenant'),
      part(C, 'C', [B], 'request'),
    )
    container.scope('tenant').scope('request').resolve(C)
    await container.dispose()
    expect(log).toEqual(['C…', 'C', 'B…', 'B', 'A…', 'A'])
  })

  test('is by Symbol.asyncDispose or Symbol.dispose where a provider says nothing, and not at all with null', async () => {
    const log: string[] = []
    class Sync {
      [Symbol.dispose](): void {
        log.push('class')
      }
    }
    const object = (name: string): AsyncDisposable => ({
      [Symbol.asyncDispose]: () => Promise.resolve(void log.push(name)),
    })
    const [D, E] = [token<object>('D'), token<object>('E')]
    const container = containerOf(
      provide(A, { useClass: Sync }),
      provide(B, { useFactory: () => object('factory') }),
      provide(C, { useFactory: () => object('not ours'), dispose: null }),
      provide(D, { useValue: object('a value belongs to whoever made it') }),
      provide(E, { useValue: object('given'), dispose: () => log.push('a value that says how') }),
    )
    await container.make()
    await container.dispose()
    expect(log).toEqual(['a value that says how', 'factory', 'class'])
  })

  test('goes on after a failure, gathers all of them, and is done once', async () => {
    const log: string[] = []
    const failing = (provided: typeof A, name: string): Provider =>
      provide(provided, {
        useFactory: () => ({}),
        dispose: () => {
          log.push(name)
          throw new Error(`${name} stuck`)
        },
      })
    const container = containerOf(
      failing(A, 'A'),
      provide(B, { useFactory: () => ({}), dispose: () => log.push('B') }),
      failing(C, 'C'),
    )
    await container.make()
    const ending = container.dispose()
    await expect(ending).rejects.toMatchObject({
      message: expect.stringMatching(/C: C stuck; A: A stuck/),
      cause: expect.objectContaining({ errors: [new Error('C stuck'), new Error('A stuck')] }),
    })
    expect(log).toEqual(['C', 'B', 'A'])
    expect(container.dispose()).toBe(ending)
  })

  test('a failure in a scope does not keep the container from ending', async () => {
    const log: string[] = []
    const container = containerOf(
      provide(A, { useFactory: () => ({}), dispose: () => log.push('A') }),
      provide(B, {
        inject: [A],
        scope: 'request',
        useFactory: () => ({}),
        dispose: () => Promise.reject(new Error('B stuck')),
      }),
    )
    container.scope('request').resolve(B)
    await expect(container.dispose()).rejects.toThrow('B stuck')
    expect(log).toEqual(['A'])
  })

  test('waits for what is being made, singletons, a scope’s and transients, and disposes of that too', async () => {
    for (const scope of ['singleton', 'request', 'transient'] as const) {
      const log: string[] = []
      const ready = gate()
      const container = containerOf(
        provide(A, {
          scope,
          useFactory: () => ready.passed.then(() => ({})),
          dispose: () => log.push('A'),
        }),
      )
      const request = container.scope('request')
      const asked = request.resolveAsync(A)
      const ending = container.dispose().then(() => log.push('ended'))
      ready.open()
      expect(await asked).toEqual({})
      await ending
      expect([scope, log]).toEqual([scope, ['A', 'ended']])
    }
  })

  test('keeps what was not begun from being made', async () => {
    const ready = gate()
    let made = 0
    const container = containerOf(
      provide(A, { useFactory: () => ready.passed.then(() => ({})) }),
      provide(B, { inject: [A], useFactory: () => ({ made: ++made }) }),
    )
    const asked = container.resolveAsync(B)
    const ending = container.dispose()
    ready.open()
    await expect(asked).rejects.toMatchObject({ code: 'VELA_DI_DISPOSED' })
    await ending
    expect(made).toBe(0)
  })

  test('gives nothing more from its first moment on, also to what is being disposed', async () => {
    const said: unknown[] = []
    const container: Container = containerOf(
      provide(A, {
        useFactory: () => ({}),
        dispose() {
          for (const ask of [() => container.resolve(B), () => container.scope('request')]) {
            try {
              said.push(ask())
            } catch (thrown) {
              said.push((thrown as { code?: unknown }).code)
            }
          }
        },
      }),
      provide(B, { useFactory: () => ({}) }),
    )
    container.resolve(A)
    await container.dispose()
    expect(said).toEqual(['VELA_DI_DISPOSED', 'VELA_DI_DISPOSED'])
  })

  test('ends the use of a scope, and of lazy functions that it gave', async () => {
    const container = containerOf(provide(A, { useFactory: () => ({}), scope: 'request' }))
    await using scope = container.scope('request')
    await scope.dispose()
    expect(() => scope.resolve(A)).toThrow(expect.objectContaining({ code: 'VELA_DI_DISPOSED' }))
    await expect(scope.resolveAsync(A)).rejects.toMatchObject({ code: 'VELA_DI_DISPOSED' })
    await container.dispose()
    expect(() => container.scope('request')).toThrow(expect.objectContaining({ code: 'VELA_DI_DISPOSED' }))
  })

  test('`await using` ends a scope with its block', async () => {
    const log: string[] = []
    const container = containerOf(
      provide(A, { useFactory: () => ({}), scope: 'request', dispose: () => log.push('A') }),
    )
    {
      await using scope = container.scope('request')
      scope.resolve(A)
    }
    expect(log).toEqual(['A'])
  })
})
