/** Lifecycle hooks: in the order of dependencies, whoever runs them. */
import { describe, expect, test } from 'vitest'
import { provide, type Provider } from '../../host/di/provider.ts'
import { token, type Token } from '../../host/di/token.ts'
import { containerOf } from './containers.ts'

const [DB, CACHE, SHOP, PLAIN] = [
  token<object>('db'),
  token<object>('cache'),
  token<object>('shop'),
  token<object>('plain'),
]

const NAMES = ['onStart', 'onReady', 'onDrain', 'onStop'] as const

function part(
  provided: Token<object>,
  inject: readonly Token<object>[],
  log: string[],
  failsIn?: string,
): Provider {
  const hook = (name: string) => async () => {
    log.push(`${name} ${provided.name}`)
    await Promise.resolve()
    if (name === failsIn) throw new Error(`${provided.name} fails`)
  }
  const hooks = Object.fromEntries(NAMES.map((name) => [name, hook(name)]))
  return provide(provided, {
    inject,
    useFactory: () => ({}),
    dispose: () => void log.push(`dispose ${provided.name}`),
    ...hooks,
  })
}

describe('start and stop of a container', () => {
  test('run hooks after those of what a part depends on, also through parts that have none, and back', async () => {
    const log: string[] = []
    const container = containerOf(
      part(SHOP, [PLAIN], log),
      provide(PLAIN, { inject: [CACHE], useFactory: () => ({}) }),
      part(CACHE, [DB], log),
      part(DB, [], log),
    )
    await container.start()
    expect(log).toEqual([
      'onStart db',
      'onStart cache',
      'onStart shop',
      'onReady db',
      'onReady cache',
      'onReady shop',
    ])
    log.length = 0
    await container.stop()
    expect(log).toEqual([
      'onDrain shop',
      'onDrain cache',
      'onDrain db',
      'onStop shop',
      'onStop cache',
      'onStop db',
      'dispose shop',
      'dispose cache',
      'dispose db',
    ])
  })

  test('a failing start stops what was begun and disposes of everything', async () => {
    const log: string[] = []
    const container = containerOf(
      part(DB, [], log),
      part(CACHE, [DB], log, 'onStart'),
      part(SHOP, [CACHE], log),
    )
    await expect(container.start()).rejects.toThrow('cache fails')
    expect(log).toEqual([
      'onStart db',
      'onStart cache',
      'onStop cache',
      'onStop db',
      'dispose shop',
      'dispose cache',
      'dispose db',
    ])
  })

  test('a failing stop runs every hook and disposes all the same', async () => {
    const log: string[] = []
    const container = containerOf(part(DB, [], log, 'onStop'), part(SHOP, [DB], log, 'onDrain'))
    await container.start()
    log.length = 0
    await expect(container.stop()).rejects.toThrow(/shop fails.*db fails/)
    expect(log).toEqual([
      'onDrain shop',
      'onDrain db',
      'onStop shop',
      'onStop db',
      'dispose shop',
      'dispose db',
    ])
  })
})

describe('hooks of a part', () => {
  test('are what its provider says, else methods of the instance; they get what was injected', async () => {
    const seen: unknown[] = []
    class Shop {
      onStart(signal: AbortSignal): void {
        seen.push(this instanceof Shop, signal instanceof AbortSignal)
      }
      onStop(): void {
        seen.push('overruled')
      }
    }
    const db = { db: true }
    const container = containerOf(
      provide(DB, { useValue: db, onStart: (value) => void seen.push(value === db) }),
      provide(SHOP, {
        useClass: Shop,
        inject: [DB],
        onStop: (_shop, _signal, injected) => void seen.push(injected),
      }),
    )
    await container.start()
    await container.stop()
    expect(seen).toEqual([true, true, true, db])
  })

  test('are told with what they wait for, to a lifecycle that runs them', async () => {
    const container = containerOf(
      part(DB, [], []),
      provide(PLAIN, { inject: [DB], useFactory: () => ({}) }),
      provide(CACHE, { useExisting: PLAIN }),
      part(SHOP, [CACHE], []),
    )
    await container.make()
    const told = container.hooked().map(({ name, dependsOn }) => [name, dependsOn])
    expect(told).toEqual([
      ['db', []],
      ['shop', ['db']],
    ])
    const also = container
      .hooked(({ name }) => name === 'plain')
      .map(({ name, dependsOn }) => [name, dependsOn])
    expect(also).toEqual([
      ['db', []],
      ['plain', ['db']],
      ['shop', ['plain']],
    ])
  })

  test('of what lives in a scope do not exist: it has disposal', async () => {
    const log: string[] = []
    const container = containerOf(
      provide(DB, { useFactory: () => ({ onStart: () => log.push('never') }), scope: 'request' }),
    )
    await container.start()
    container.scope('request').resolve(DB)
    expect(container.hooked()).toEqual([])
    expect(log).toEqual([])
  })
})
