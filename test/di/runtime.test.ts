/** The runtime on the container: parts of the embedder among the host's, host services with scopes, and a start that fails. */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { addComponents } from '../../host/core/components.ts'
import type { Component } from '../../host/core/lifecycle.ts'
import { PART } from '../../host/core/parts.ts'
import {
  CALLER,
  defineModule,
  HOST,
  provide,
  token,
  type Provider,
  type Runtime,
  type Token,
} from '../../host/index.ts'
import { openRegistry } from '../../host/registry/registry.ts'
import { deploySource, tempDir, until } from '../e2e/support.ts'
import { CONFIG, created } from './created.ts'

/** What each component of a runtime that has not started would wait for. */
function waitsOf(runtime: Runtime): (name: string) => readonly string[] {
  const components: Component[] = []
  const lifecycle = { add: (component: Component) => void components.push(component) }
  addComponents(runtime.container, lifecycle, runtime.container.resolve(PART.hosts))
  return (name) => components.find((component) => component.name === name)?.dependsOn ?? []
}

describe('a composition of the embedder', () => {
  test('injects the host’s parts, is up before the guests and ends after them, in the order of its own', async () => {
    const order: string[] = []
    const POOL = token<{ readonly name: string }>('pool')
    const MAILER = token<object>('mailer')
    const REPORT = token<object>('report')
    const mail = defineModule({
      name: 'mail',
      providers: [
        provide(MAILER, {
          inject: [POOL, HOST.config],
          useFactory: ({ name }, { drainMs }) => ({ name, drainMs }),
          onStart: () => void order.push('start mailer'),
          onStop: () => void order.push('stop mailer'),
          dispose: () => order.push('dispose mailer'),
        }),
      ],
    })
    const runtime = await created({
      modules: [mail],
      providers: [
        // Stands on what serves guests, so that it comes after it.
        provide(REPORT, {
          inject: [PART.services, MAILER],
          useFactory: () => ({}),
          onReady: () => void order.push('ready report'),
          onDrain: () => void order.push('drain report'),
        }),
        provide(POOL, {
          useFactory: async () => await Promise.resolve({ name: 'main' }),
          onStart: () => void order.push('start pool'),
          onStop: () => void order.push('stop pool'),
          dispose: () => order.push('dispose pool'),
        }),
      ],
    })
    expect(runtime.container.resolve(MAILER)).toMatchObject({ name: 'main' })
    const waits = waitsOf(runtime)
    for (const part of ['vela:cells', 'vela:tasks']) {
      expect(waits(part)).toEqual(expect.arrayContaining(['pool', 'mailer']))
      expect(waits(part)).not.toContain('report')
    }
    expect(waits('report')).toContain('vela:services')
    await deploySource(
      runtime,
      'svc',
      'export default { stop() { console.log("guest stopped") }, fetch: () => new Response() }',
    )
    runtime.tail('t', 'svc', ({ message }) => order.push(message))
    await runtime.start()
    await runtime.invoke('t/svc', 'fetch').catch(() => undefined)
    order.push('serving')
    await runtime.stop()
    expect(order).toEqual([
      'start pool',
      'start mailer',
      'ready report',
      'serving',
      'drain report',
      'guest stopped',
      'stop mailer',
      'stop pool',
      'dispose mailer',
      'dispose pool',
    ])
  })

  test('may have parts of one name, which are two, and a host service of that name too', async () => {
    const order: string[] = []
    const pool = (number: number, inject: Token<object>[]): Provider =>
      provide(number === 1 ? ONE : TWO, {
        inject,
        useFactory: () => ({}),
        onStart: () => void order.push(`part ${number}`),
      })
    const [ONE, TWO] = [token<object>('pool'), token<object>('pool')]
    const runtime = await created({ providers: [pool(2, [ONE]), pool(1, [])] })
    try {
      await runtime.registerService('pool', { onStart: () => void order.push('service') })
      await runtime.registerService(
        'user',
        { onStart: () => void order.push('user') },
        { dependsOn: ['pool'] },
      )
      await runtime.start()
    } finally {
      await runtime.stop()
    }
    expect(order.toSorted()).toEqual(['part 1', 'part 2', 'service', 'user'])
    expect(order.indexOf('part 2')).toBeGreaterThan(order.indexOf('part 1'))
    expect(order.indexOf('user')).toBeGreaterThan(order.indexOf('service'))
  })

  test('may replace a part of the host, for a test', async () => {
    const records: unknown[] = []
    const log = {
      debug: () => undefined,
      info: (message: string) => void records.push(message),
      warn: () => undefined,
      error: (message: string, details: object) => void records.push(message, details),
      access: () => undefined,
      droppedLines: () => 0,
      close: () => Promise.resolve(),
    }
    const LOUD = token<object>('loud')
    const runtime = await created({
      overrides: [provide(HOST.log, { useValue: log as never })],
      providers: [
        provide(LOUD, {
          inject: [HOST.log],
          useFactory: (own) => {
            own.info('heard')
            return {}
          },
        }),
      ],
    })
    await runtime.stop()
    expect(records).toContain('heard')
  })

  test('with a mistake is refused with its path before anything is opened', async () => {
    using folder = tempDir()
    const [A, B] = [token<object>('A'), token<object>('B')]
    const broken = created(
      { providers: [provide(A, { inject: [HOST.registry, B], useFactory: () => ({}) })] },
      { ...CONFIG, data: folder.path },
    )
    await expect(broken).rejects.toMatchObject({
      code: 'VELA_DI_UNKNOWN_TOKEN',
      details: { path: ['A', 'B'] },
    })
    const captive = created({
      providers: [
        provide(A, { inject: [B], useFactory: () => ({}) }),
        provide(B, { inject: [CALLER], scope: 'transient', useFactory: () => ({}) }),
      ],
    })
    await expect(captive).rejects.toMatchObject({ details: { path: ['A', 'B', 'CALLER'] } })
    expect(readdirSync(folder.path)).toEqual([])
  })
})

describe('a host that fails in the midst of being made', () => {
  const cause = new Error('no such device')
  const failing = { useFactory: () => Promise.reject(cause) }

  test.each(['kv', 'actors', 'broker', 'cells', 'gateway'] as const)(
    'by its %s closes what it opened, and names the part',
    async (name) => {
      using folder = tempDir()
      const config = { ...CONFIG, data: folder.path }
      const threads = threadCount()
      await expect(
        created({ overrides: [provide(PART[name] as Token<unknown>, failing)] }, config),
      ).rejects.toMatchObject({
        code: 'VELA_DI_FACTORY_FAILED',
        message: `vela:${name} could not be made: no such device`,
        cause,
      })
      // Nobody has the store’s lock, and no thread is left.
      const registry = await openRegistry({ dataDir: folder.path, onLog: () => undefined })
      await registry.close()
      await until('the threads have ended', () => threadCount() === threads)
    },
  )

  test('keeps the code of an error of its own, such as that the store is in use', async () => {
    using folder = tempDir()
    const registry = await openRegistry({ dataDir: folder.path, onLog: () => undefined })
    try {
      await expect(created({}, { ...CONFIG, data: folder.path })).rejects.toMatchObject({
        code: 'VELA_STORE_LOCKED',
      })
    } finally {
      await registry.close()
    }
  })
})

/** Threads of this process keep a message port open each. */
const threadCount = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'MessagePort').length
