/** Who decides what a guest may do: nothing without a grant, and a decision holds from the next call on. */
import { EventEmitter } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBroker } from '../../host/capabilities/broker.ts'
import type { CapabilityCall, CapabilityKind, Place } from '../../host/capabilities/capability.ts'
import type { GrantDecision } from '../../host/registry/types.ts'
import { Runtime } from '../../host/core/runtime.ts'
import { CALLER, hostOf, startHost, type Host } from './support.ts'

class Mailer extends EventEmitter {
  readonly sent: unknown[] = []
  send(...args: unknown[]): { readonly queued: number } {
    this.sent.push(args)
    return { queued: this.sent.length }
  }
  fail(): never {
    throw new Error('connect ECONNREFUSED /var/run/secret-of-the-host.sock')
  }
  _internal(): string {
    return 'internal'
  }
  onStop(): void {}
}

class Accounts {
  forGuest({ tenant, service }: Place): object {
    return { whoAmI: () => `${tenant}/${service}` }
  }
  everything(): string {
    return 'of all tenants'
  }
}

let host: Host
const mailer = new Mailer()
beforeAll(async () => {
  host = await startHost(
    {
      policy: { tenants: { trusted: { services: { host: ['mailer', 'accounts'], services: ['acme/*'] } } } },
    },
    async (runtime) => {
      await runtime.registerService('mailer', mailer)
      await runtime.registerService('accounts', Accounts)
    },
  )
  await host.deploy('acme/greeter', `export const greet = (name) => 'hello ' + name`)
})
afterAll(() => host.runtime.stop())

describe('without a grant', () => {
  test('a service of the host is denied by default, and the refusal names kind, binding and reason', async () => {
    const { grants } = await host.deploy('acme/user', CALLER, {
      capabilities: { services: { mailer: ['send'] } },
    })
    expect(grants).toMatchObject([{ binding: 'mailer', kind: 'services', state: 'denied' }])
    const before = mailer.sent.length
    expect(await host.invoke('acme/user', 'use', 'mailer', 'send', 1)).toMatchObject({
      code: 'VELA_CAPABILITY_DENIED',
      message: expect.stringMatching(/^services \(mailer\): .*the host's service mailer/),
    })
    expect(mailer.sent).toHaveLength(before)
  })

  test("another tenant's service is denied, one's own is not", async () => {
    await host.deploy('globex/user', CALLER, {
      capabilities: { services: { theirs: { service: 'acme/greeter' }, mine: { service: 'local' } } },
    })
    await host.deploy('globex/local', `export const greet = () => 'mine'`)
    expect(await host.invoke('globex/user', 'use', 'theirs', 'greet', 'x')).toMatchObject({
      code: 'VELA_CAPABILITY_DENIED',
    })
    expect(await host.invoke('globex/user', 'use', 'mine', 'greet')).toEqual({ value: 'mine' })
  })

  test('a name without a tenant never reaches another tenant', async () => {
    await host.deploy('globex/lost', CALLER, { capabilities: { services: { greeter: ['greet'] } } })
    expect(await host.invoke('globex/lost', 'use', 'greeter', 'greet', 'x')).toMatchObject({
      code: 'VELA_SERVICE_NOT_FOUND',
    })
  })

  test('a policy gives a tenant what others do not get', async () => {
    await host.deploy('trusted/user', CALLER, {
      capabilities: { services: { mailer: ['send'], greeter: { service: 'acme/greeter' } } },
    })
    expect(await host.invoke('trusted/user', 'use', 'mailer', 'send', 'a')).toMatchObject({
      value: { queued: expect.any(Number) },
    })
    expect(await host.invoke('trusted/user', 'use', 'greeter', 'greet', 'you')).toEqual({
      value: 'hello you',
    })
  })

  test('only the methods that were asked for can be called, though all are granted', async () => {
    expect(await host.invoke('trusted/user', 'use', 'mailer', 'fail')).toMatchObject({
      code: 'VELA_CAPABILITY_DENIED',
      message: expect.stringContaining('send'),
    })
  })

  test.each([
    ['an unknown kind', { teleport: {} }, 'VELA_DEPLOY_UNSUPPORTED', 'capabilities.teleport'],
    [
      'a malformed ask',
      { services: { mailer: 7 } },
      'VELA_DEPLOY_INVALID_MANIFEST',
      'capabilities.services.mailer',
    ],
    ['a name that is no name', { services: { 'a b': ['x'] } }, 'VELA_DEPLOY_INVALID_MANIFEST', 'a b'],
    ['a reserved name', { services: { constructor: ['x'] } }, 'VELA_DEPLOY_INVALID_MANIFEST', 'constructor'],
  ])('a deploy with %s is refused by its place', async (_what, capabilities, code, place) => {
    const deploying = host.deploy('acme/refused', CALLER, { capabilities })
    await expect(deploying).rejects.toMatchObject({ code, message: expect.stringContaining(place) })
  })
})

describe('decisions', () => {
  test('granted, used, revoked: each from the next call on, without a deploy, in a warm isolate', async () => {
    await host.deploy('acme/warm', CALLER, { capabilities: { services: { mailer: ['send'] } } })
    const use = () => host.invoke('acme/warm', 'use', 'mailer', 'send', 'x')
    expect(await use()).toMatchObject({ code: 'VELA_CAPABILITY_DENIED' })
    await host.decide('acme/warm', 'mailer', 'granted')
    expect(await use()).toMatchObject({ value: { queued: expect.any(Number) } })
    expect(await host.grantOf('acme/warm', 'mailer')).toMatchObject({
      state: 'granted',
      reason: 'granted by an operator',
    })
    await host.decide('acme/warm', 'mailer', 'revoked')
    expect(await use()).toMatchObject({ code: 'VELA_CAPABILITY_REVOKED' })
    await host.decide('acme/warm', 'mailer', 'policy')
    expect(await use()).toMatchObject({ code: 'VELA_CAPABILITY_DENIED' })
  })

  test('a revoked binding stays revoked when the service asks for something else under its name', async () => {
    await host.deploy('acme/changing', CALLER, {
      capabilities: { services: { other: { service: 'greeter' } } },
    })
    await host.decide('acme/changing', 'other', 'revoked')
    await host.deploy('acme/changing', CALLER, {
      capabilities: { services: { other: { service: 'greeter', methods: ['greet'] } } },
    })
    expect(await host.invoke('acme/changing', 'use', 'other', 'greet', 'x')).toMatchObject({
      code: 'VELA_CAPABILITY_REVOKED',
    })
  })

  test('what was granted is what was asked: another ask under the same name is not granted', async () => {
    const narrow = { services: { mailer: ['send'] } }
    await host.deploy('acme/greedy', CALLER, { capabilities: narrow })
    await host.decide('acme/greedy', 'mailer', 'granted')
    const { asksMore, grants } = await host.deploy('acme/greedy', CALLER, {
      capabilities: { services: { mailer: ['send', 'fail'] } },
    })
    expect(asksMore).toEqual(['services mailer: the service mailer: send, fail'])
    expect(grants).toMatchObject([{ state: 'denied', reason: expect.stringContaining('something else') }])
    expect(await host.invoke('acme/greedy', 'use', 'mailer', 'send')).toMatchObject({
      code: 'VELA_CAPABILITY_DENIED',
    })
    // Back to what was granted, it is granted still.
    await host.deploy('acme/greedy', `${CALLER}// again`, { capabilities: narrow })
    expect(await host.grantOf('acme/greedy', 'mailer')).toMatchObject({ state: 'granted' })
  })

  test('a decision about a binding that is not asked for is refused, and names those that are', async () => {
    await expect(host.decide('acme/greedy', 'mialer', 'granted')).rejects.toMatchObject({
      code: 'VELA_CAPABILITY_NOT_FOUND',
      message: expect.stringContaining('mailer'),
    })
  })

  test('a service that is deleted takes its decisions along', async () => {
    const capabilities = { services: { mailer: ['send'] } }
    await host.deploy('acme/reborn', CALLER, { capabilities })
    await host.decide('acme/reborn', 'mailer', 'granted')
    await host.runtime.deleteService('acme', 'reborn')
    const { grants } = await host.deploy('acme/reborn', CALLER, { capabilities })
    expect(grants).toMatchObject([{ state: 'denied' }])
  })

  test('decisions outlive the host', async () => {
    const data = await mkdtemp(join(tmpdir(), 'vela-grants-'))
    const open = async (): Promise<{ runtime: Runtime } & ReturnType<typeof hostOf>> => {
      const runtime = await Runtime.create({ data, log: { level: 'silent' }, cells: { spares: 0 } })
      return hostOf(runtime)
    }
    try {
      const first = await open()
      await first.deploy('acme/kept', CALLER, { capabilities: { services: { mailer: ['send'], x: ['y'] } } })
      await first.decide('acme/kept', 'mailer', 'granted')
      await first.decide('acme/kept', 'x', 'revoked')
      await first.runtime.stop()
      const second = await open()
      expect(await second.grantOf('acme/kept', 'mailer')).toMatchObject({ state: 'granted' })
      expect(await second.grantOf('acme/kept', 'x')).toMatchObject({ state: 'revoked' })
      await second.runtime.stop()
    } finally {
      await rm(data, { recursive: true, force: true })
    }
  })
})

describe('services of the host', () => {
  beforeAll(async () => {
    await host.deploy('trusted/probe', CALLER, {
      capabilities: { services: { mailer: { host: 'mailer' }, accounts: { host: 'accounts' } } },
    })
  })

  test.each([
    'onStop',
    '_internal',
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'sent',
    'emit',
    'on',
    'nothing',
  ])('a guest cannot call %s', async (name) => {
    expect(await host.invoke('trusted/probe', 'use', 'mailer', name, 'x')).toMatchObject({
      code: 'VELA_METHOD_NOT_FOUND',
    })
  })

  test('what one throws stays in the host: no message, no path, no stack', async () => {
    const answer = await host.invoke('trusted/probe', 'use', 'mailer', 'fail')
    expect(answer).toMatchObject({ code: 'VELA_CAPABILITY_FAILED', hasStackOfHost: false })
    expect(JSON.stringify(answer)).not.toMatch(/ECONNREFUSED|secret|sock/)
  })

  test('one that wants to know its caller is told by the host, not by the guest', async () => {
    expect(await host.invoke('trusted/probe', 'use', 'accounts', 'whoAmI')).toEqual({
      value: 'trusted/probe',
    })
    for (const name of ['everything', 'forGuest'])
      expect(await host.invoke('trusted/probe', 'use', 'accounts', name, { tenant: 'acme' })).toMatchObject({
        code: 'VELA_METHOD_NOT_FOUND',
      })
  })
})

test('a capability is closed by another decision about its own binding, and by nobody else’s', () => {
  let closed = 0
  let epoch = 0
  let decision: GrantDecision | undefined
  const kind: CapabilityKind = {
    kind: 'k',
    defaultPolicy: true,
    checkPolicy: () => undefined,
    parse: () => [{ name: 'k', options: {} }],
    narrow: (options) => options,
    describe: () => '',
    open: () => ({ call: () => ({ value: 'open' }), close: () => void closed++ }),
  }
  const manifest = {
    name: 's',
    engine: 'v8',
    routes: [],
    limits: {},
    vars: {},
    capabilities: { k: {} },
  } as const
  const grants = createBroker({
    kinds: new Map([['k', kind]]),
    policy: { of: () => true },
    decisionOf: () => decision,
    epoch: () => epoch,
    hosts: () => 0,
    onFailure: () => undefined,
  }).open({ tenant: 't', service: 's', version: '0', manifest, sizeBytes: 0, startupMs: 0, createdAt: 0 })
  const call = {} as CapabilityCall
  expect(grants.perform(0, call)).toEqual({ value: 'open' })
  epoch++
  expect(grants.perform(0, call)).toEqual({ value: 'open' })
  expect(closed).toBe(0)
  epoch++
  decision = { tenant: 't', service: 's', binding: 'k', state: 'revoked', asked: '' }
  expect(() => grants.perform(0, call)).toThrow('revoked')
  expect(closed).toBe(1)
})
