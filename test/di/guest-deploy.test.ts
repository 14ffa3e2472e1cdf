/** What is wrong with the wiring of a service is said when it is deployed, with the path; nothing of it is left for the first request. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { refusal, startDiHost, type DiHost } from './guest-support.ts'

let host: DiHost
beforeAll(async () => {
  host = await startDiHost()
})
afterAll(() => host.close())

const MAIN = `export default { fetch: () => new Response('ok') }`
const MAILER = `import { WorkerEntrypoint } from '@vela/guest-sdk'
export class Mailer extends WorkerEntrypoint { send(to) { return 'sent to ' + to } }
export const ping = () => 'pong'`

describeEngines('a container that is made at the top level', (engine) => {
  test('is refused with the path when something is not provided, circular, captive or provided twice', async () => {
    const cases: readonly (readonly [string, string, RegExp])[] = [
      [
        'unknown',
        `container([provide(A, { useClass: class {}, inject: [B] })])`,
        /a → b: nobody provides b; provide it, or inject optional\(b\)/,
      ],
      [
        'cycle',
        `container([provide(A, { useClass: class {}, inject: [B] }), provide(B, { useClass: class {}, inject: [C] }), provide(C, { useExisting: A })])`,
        /a → b → c → a: they need each other to be made; let one of them inject lazy/,
      ],
      [
        'captive',
        `container([provide(A, { useClass: class {}, inject: [B] }), provide(B, { useClass: class {}, inject: [C], scope: 'transient' }), provide(C, { useClass: class {}, scope: 'request' })])`,
        /a → b → c: a has scope singleton and would keep one c of scope request; give a the scope request, or pass c to its methods/,
      ],
      [
        'request-of-actor',
        `container([provide(A, { useClass: class {}, inject: [ACTOR], scope: 'request' })])`,
        /a → ACTOR: a has scope request and would keep one ACTOR of scope actor/,
      ],
      [
        'actor-of-request',
        `container([provide(A, { useClass: class {}, inject: [lazy(CONTEXT)], scope: 'actor' })])`,
        /a → CONTEXT: a has scope actor and would keep one CONTEXT of scope request/,
      ],
      [
        'twice',
        `container([provide(A, { useValue: 1 }), provide(A, { useValue: 2 })])`,
        /a is provided twice: leave one out/,
      ],
      [
        'override',
        `container([], { overrides: [provide(A, { useValue: 1 })] })`,
        /the override of a replaces nothing: nobody provides it/,
      ],
      ['handler', `container([]).inject([A], (a) => a)`, /nobody provides a/],
      ['token', `container([provide('a', { useValue: 1 })])`, /provide: a token is needed, as token/],
      ['ways', `container([provide(A, { useValue: 1, useClass: class {} })])`, /exactly one of useClass/],
      [
        'scope',
        `container([provide(A, { useClass: class {}, scope: 'tenant' })])`,
        /scope is one of singleton/,
      ],
    ]
    for (const [name, source, message] of cases) {
      const tokens = `const A = token('a'), B = token('b'), C = token('c')\n`
      const error = await refusal(host.wire(engine, name, `${tokens}${source}\n${MAIN}`))
      expect([name, error.code]).toEqual([name, 'VELA_DEPLOY_START_THREW'])
      expect([name, error.message]).toEqual([name, expect.stringMatching(message)])
    }
  })

  test('is refused when a binding is missing, not granted or has no one to answer, with the path and what to do', async () => {
    await host.deploy(`${engine}/mailer`, MAILER, { engine })
    await host.deploy(`${engine}else/mailer`, MAILER, { engine })
    const mail = (asked: object): Record<string, never> => ({ services: { MAIL: asked } }) as never
    const cases: readonly (readonly [string, Record<string, never>, RegExp])[] = [
      [
        'nothing',
        {},
        /^orders → MAIL: the manifest binds nothing called MAIL; add it under capabilities, vars or as a secret, or inject optional\(binding\('MAIL'\)\)/,
      ],
      [
        'service',
        mail({ service: 'nobody' }),
        new RegExp(
          `^orders → MAIL: services \\(MAIL\\): there is no service ${engine}/nobody; deploy it first, or inject optional`,
        ),
      ],
      [
        'entrypoint',
        mail({ service: 'mailer', entrypoint: 'Api' }),
        new RegExp(`${engine}/mailer exports no class Api with methods`),
      ],
      [
        'method',
        mail({ service: 'mailer', entrypoint: 'Mailer', methods: ['send', 'sendAll'] }),
        /has no method Mailer.sendAll; correct "methods"/,
      ],
      ['no-fetch', mail({ service: 'mailer', methods: ['ping', 'fetch'] }), /has no method fetch/],
      [
        'host',
        mail({ host: 'sms' }),
        /is not granted: the operator's policy does not grant the host's service sms; let an operator grant it/,
      ],
      [
        'other',
        mail({ service: `${engine}else/mailer` }),
        /is not granted: the operator's policy does not grant \w+else\/mailer, another tenant's service/,
      ],
    ]
    const source = `const ORDERS = token('orders')
      container([provide(ORDERS, { useClass: class {}, inject: [binding('MAIL')], scope: 'request' })])\n${MAIN}`
    for (const [name, capabilities, message] of cases) {
      const error = await refusal(host.wire(engine, `needs-${name}`, source, capabilities))
      expect([name, error.code, error.status]).toEqual([name, 'VELA_DEPLOY_MISSING_DEPENDENCY', 409])
      expect([name, error.message]).toEqual([name, expect.stringMatching(message)])
      expect(error.details).toEqual({ path: 'orders → MAIL', binding: 'MAIL' })
      expect((await host.runtime.services(engine)).map(({ service }) => service)).not.toContain(
        `needs-${name}`,
      )
    }
    // A decision of the operator's goes over the policy.
    await host.deploy(`${engine}/allowed`, MAIN, {
      engine,
      capabilities: { services: { MAIL: { service: `${engine}else/mailer` } } },
    })
    await host.decide(`${engine}/allowed`, 'MAIL', 'granted')
    await host.wire(engine, 'allowed', source, mail({ service: `${engine}else/mailer` }))
    for (const [name, capabilities] of [
      ['fine', mail({ service: 'mailer', entrypoint: 'Mailer', methods: ['send'] })],
      ['own', mail({ service: 'needs-own' })],
      ['all', mail({ service: 'mailer' })],
    ] as const)
      await host.wire(engine, `needs-${name}`, source, capabilities)
  })

  test('names who injects it: a handler, an alias, a property; what is optional or overridden is not asked for', async () => {
    const wire = (name: string, source: string): Promise<unknown> =>
      host.wire(engine, name, `const A = token('a'), MAIL = binding('MAIL')\n${source}\n${MAIN}`)
    const cases: readonly (readonly [string, string, string])[] = [
      ['in-handler', `container([]).inject([MAIL], () => 1)`, 'inject → MAIL'],
      ['in-alias', `container([provide(A, { useExisting: MAIL })])`, 'a → MAIL'],
      [
        'in-property',
        `container([provide(A, { useClass: class {}, properties: { mail: MAIL } })])`,
        'a → MAIL',
      ],
      ['in-lazy', `container([provide(A, { useClass: class {}, inject: [lazy(MAIL)] })])`, 'a → MAIL'],
      [
        'late',
        `await 1; container([provide(A, { useExisting: binding('MAIL', { deadlineMs: 5 }) })])`,
        'a → MAIL',
      ],
    ]
    for (const [name, source, path] of cases)
      expect([name, (await refusal(wire(name, source))).details]).toEqual([name, { path, binding: 'MAIL' }])
    await wire('optional', `container([provide(A, { useClass: class {}, inject: [optional(MAIL)] })])`)
    await wire('var', `container([provide(A, { useClass: class {}, inject: [binding('GREETING')] })])`)
    await wire(
      'overridden',
      `container([provide(A, { useExisting: MAIL })], { overrides: [provide(MAIL, { useValue: { send: () => 1 } })] })`,
    )
  })

  test('is refused when a deadline is asked for where it means nothing', async () => {
    const source = `container([provide(token('a'), { useExisting: binding('LINE', { deadlineMs: 100 }) })])\n${MAIN}`
    const error = await refusal(
      host.wire(engine, 'deadline', source, { channels: { LINE: { mode: 'queue' } } }),
    )
    expect(error.message).toContain('channels (LINE) takes no deadlineMs: that is for services and kv')
  })

  test('that is made later throws where it is made, for what env does not have', async () => {
    await host.wire(
      engine,
      'later',
      `export const make = () => { try { container([provide(token('a'), { useExisting: binding('MAIL') })]); return 'made' } catch (error) { return [error.code, error.message] } }`,
    )
    expect(await host.ask(engine, 'later', 'make')).toEqual([
      'VELA_DI_UNKNOWN_TOKEN',
      `env has no MAIL: bind it in the manifest, or inject optional(binding('MAIL'))`,
    ])
  })

  test('starts again whatever became of those it calls; what is revoked fails at the call, typed', async () => {
    const at = `${engine}/stays`
    await host.deploy(`${engine}/passing`, MAILER, { engine })
    await host.wire(
      engine,
      'stays',
      `const app = container([])
       export const send = app.inject([binding('MAIL')], async (mail, to) => { try { return await mail.send(to) } catch (error) { return error.code } })`,
      { services: { MAIL: { service: 'passing', entrypoint: 'Mailer' } } },
    )
    expect(await host.ask(engine, 'stays', 'send', 'Ada')).toBe('sent to Ada')
    await host.decide(at, 'MAIL', 'revoked')
    expect(await host.ask(engine, 'stays', 'send', 'Ada')).toBe('VELA_CAPABILITY_REVOKED')
    await host.decide(at, 'MAIL', 'policy')
    await host.runtime.deleteService(engine, 'passing')
    await host.runtime.putSecret(engine, 'stays', 'KEY', 'value')
    expect(await host.ask(engine, 'stays', 'send', 'Ada')).toBe('VELA_SERVICE_NOT_FOUND')
  })
})
