/** Who is not at fault does not pay: calls batched with a loop, siblings of the tenant, other tenants. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startTarget, type Target } from './harness.ts'

const GUILTY: Readonly<Record<string, readonly [string, string]>> = {
  'a loop': ['for (;;);', 'VELA_TURN_EXCEEDED_CPU'],
  'a microtask storm': [
    'const again = () => Promise.resolve().then(again); again(); await new Promise(() => 0)',
    'VELA_TURN_EXCEEDED_CPU',
  ],
  'a memory bomb': [
    'const all = []; for (;;) all.push(new Array(1000).fill(1))',
    'VELA_TURN_EXCEEDED_MEMORY',
  ],
}

describeEngines('who is not at fault', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine)
  })
  afterAll(() => target.close())

  for (const [index, [name, [crime, expected]]] of Object.entries(GUILTY).entries()) {
    test(`of many requests in one batch only the one with ${name} fails`, async () => {
      const at = `batch${index}/svc`
      const limits = { cpuMs: expected.endsWith('CPU') ? 40 : 20_000, memoryMb: 32 }
      await target.handler(
        at,
        `if (request.url.endsWith('/guilty')) { ${crime} } return new Response('innocent')`,
        {
          limits,
        },
      )
      await target.get(`/${at}/`)
      const paths = Array.from({ length: 40 }, (_, at) => (at === 17 ? '/guilty' : `/${at}`))
      const answers = await Promise.all(paths.map((path) => target.get(`/${at}${path}`)))
      expect(answers[17]?.code).toBe(expected)
      const others = answers.filter((_, at) => at !== 17)
      expect(others.map(({ text }) => text)).toEqual(others.map(() => 'innocent'))
      await target.expectUnharmed()
    })
  }

  test('while one service of a tenant loops, another of the same tenant is served', async () => {
    await target.handler('kin/guilty', 'for (;;);', { limits: { cpuMs: 60 } })
    await target.handler('kin/innocent', `return new Response('innocent')`)
    await target.get('/kin/innocent/')
    const guilty = Promise.all(Array.from({ length: 3 }, () => target.get('/kin/guilty/')))
    const answers = await Promise.all(Array.from({ length: 30 }, () => target.get('/kin/innocent/')))
    expect(answers.map(({ text }) => text)).toEqual(answers.map(() => 'innocent'))
    for (const { status } of await guilty) expect(status).toBe(503)
  })

  test('a request that was answered in part before the loop is not run twice', async () => {
    const body = `globalThis.runs = (globalThis.runs ?? 0) + 1
    const path = new URL(request.url).pathname
    if (path === '/runs') return new Response(String(globalThis.runs))
    return new Response(new ReadableStream({
      async pull(c) { c.enqueue(new TextEncoder().encode('begun')); await new Promise((d) => setTimeout(d, 5)); for (;;); },
    }))`
    await target.handler('once/svc', body, { limits: { cpuMs: 60 } })
    await expect(target.get('/once/svc/')).rejects.toThrow()
    // A new isolate: had the broken request been tried again in it, there would be one run more.
    expect((await target.get('/once/svc/runs')).text).toBe('1')
  })

  test('a tenant that is under attack from its own clients does not slow another into failing', async () => {
    await target.handler('noisy/svc', 'for (;;);', { limits: { cpuMs: 30, queueLength: 50 } })
    const attack = Promise.all(Array.from({ length: 40 }, () => target.get('/noisy/svc/')))
    for (let round = 0; round < 20; round++) await target.expectUnharmed()
    for (const { status } of await attack) expect(status).toBe(503)
  })
})
