/** Services of the host that the container makes: what they inject, and whose they are. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CALLER, provide, TENANT, token, type Caller, type Runtime } from '../../host/index.ts'
import { deploySource } from '../e2e/support.ts'
import { CONFIG, created } from './created.ts'

describe('host services', () => {
  const log: string[] = []
  let runtime: Runtime
  const POOL = token<{ query(): string }>('pool')
  class Notes {
    readonly #tenant: string
    readonly #pool: { query(): string }
    #count = 0
    constructor(tenant: string, pool: { query(): string }) {
      this.#tenant = tenant
      this.#pool = pool
      log.push(`made for ${tenant}`)
    }
    add(): string {
      return `${this.#tenant} ${++this.#count} ${this.#pool.query()}`
    }
  }
  class Session {
    readonly caller: Caller
    readonly tenant: string
    calls = 0
    constructor(caller: Caller, tenant: string) {
      this.caller = caller
      this.tenant = tenant
    }
    whoAmI(): unknown {
      const { tenant, service, signal } = this.caller
      return [tenant, service, this.tenant, signal.aborted, ++this.calls]
    }
    fail(): void {
      throw new Error('broken')
    }
  }

  const USER = `export const use = (name, method) => env[name][method]().then((value) => value, ({ code, message }) => ({ code, message }))`

  beforeAll(async () => {
    runtime = await created(
      {
        providers: [provide(POOL, { useFactory: () => ({ query: () => 'from the pool' }) })],
      },
      { ...CONFIG, policy: { default: { services: { host: ['notes', 'session', 'plain', 'shaky'] } } } },
    )
    await runtime.registerService('plain', {
      useFactory: async (pool) => await Promise.resolve(pool),
      inject: [POOL],
    })
    await runtime.registerService('notes', {
      useClass: Notes,
      inject: [TENANT, POOL],
      scope: 'tenant',
      dispose: () => log.push('notes ended'),
    })
    await runtime.registerService('session', {
      useClass: Session,
      inject: [CALLER, TENANT],
      scope: 'request',
      async dispose({ caller }) {
        await Promise.resolve()
        log.push(`session of ${caller.tenant} ended`)
      },
    })
    let attempts = 0
    await runtime.registerService('shaky', {
      scope: 'tenant',
      useFactory: () =>
        ++attempts === 1
          ? Promise.reject(new Error('connect to 10.0.0.7 failed'))
          : Promise.resolve({ ping: () => attempts }),
    })
    await runtime.start()
    for (const tenant of ['acme', 'globex'])
      await deploySource(runtime, 'user', `import { env } from '@vela/guest-sdk'\n${USER}`, {
        tenant,
        manifest: {
          capabilities: {
            services: {
              notes: { host: 'notes' },
              session: { host: 'session' },
              plain: { host: 'plain' },
              shaky: { host: 'shaky' },
            },
          },
        },
      })
  })
  afterAll(() => runtime.stop())

  const use = (tenant: string, name: string, method: string): Promise<unknown> =>
    runtime.invoke(`${tenant}/user`, 'use', [name, method])

  test('are made by the container, with what they inject, also asynchronously', async () => {
    expect(await use('acme', 'plain', 'query')).toBe('from the pool')
  })

  test('of scope tenant have an instance for each tenant that calls, made at its first call', async () => {
    log.length = 0
    expect(await use('acme', 'notes', 'add')).toBe('acme 1 from the pool')
    expect(await use('globex', 'notes', 'add')).toBe('globex 1 from the pool')
    expect(await use('acme', 'notes', 'add')).toBe('acme 2 from the pool')
    expect(log).toEqual(['made for acme', 'made for globex'])
  })

  test('of scope request have one for each call, that knows who calls and is ended with the call', async () => {
    log.length = 0
    expect(await use('acme', 'session', 'whoAmI')).toEqual(['acme', 'user', 'acme', false, 1])
    expect(await use('globex', 'session', 'whoAmI')).toEqual(['globex', 'user', 'globex', false, 1])
    expect(await use('acme', 'session', 'fail')).toMatchObject({ code: 'VELA_CAPABILITY_FAILED' })
    expect(log).toEqual(['session of acme ended', 'session of globex ended', 'session of acme ended'])
  })

  test('that could not be made tell the guest nothing of the host, and are made at the next call', async () => {
    const refused = await use('acme', 'shaky', 'ping')
    expect(refused).toEqual({ code: 'VELA_CAPABILITY_FAILED', message: 'The capability services failed' })
    expect(await use('acme', 'shaky', 'ping')).toBe(2)
  })

  test('of a tenant end when the tenant is deleted', async () => {
    await use('globex', 'notes', 'add')
    log.length = 0
    await runtime.deleteTenant('globex', true)
    expect(log).toEqual(['notes ended'])
  })

  test('are refused twice under one name, after the start, and with what they inject missing', async () => {
    await expect(runtime.registerService('late', {})).rejects.toMatchObject({
      code: 'VELA_LIFECYCLE_HOOK_FAILED',
    })
    const another = await created({})
    try {
      await another.registerService('one', {})
      await expect(another.registerService('one', {})).rejects.toMatchObject({ code: 'VELA_DI_DUPLICATE' })
      const slow = another.registerService('slow', () => Promise.resolve({}))
      await expect(another.registerService('slow', {})).rejects.toMatchObject({ code: 'VELA_DI_DUPLICATE' })
      await slow
      const lost = another.registerService('two', { inject: [POOL], useFactory: (pool) => pool })
      await expect(lost).rejects.toMatchObject({
        code: 'VELA_DI_UNKNOWN_TOKEN',
        details: { path: ['two', 'pool'] },
      })
      const failing = another.registerService('three', () => Promise.reject(new Error('no')))
      await expect(failing).rejects.toMatchObject({
        code: 'VELA_DI_FACTORY_FAILED',
        details: { token: 'three' },
      })
      // What was refused leaves nothing behind that a start would fall over.
      await another.start()
    } finally {
      await another.stop()
    }
  })
})
