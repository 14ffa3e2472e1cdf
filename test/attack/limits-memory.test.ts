/**
 * A guest that takes memory without end gets an error of its own or loses its isolate; its cell, its neighbours and the
 * host go on. Where the engine does not count (objects of Intl, for one), the cell's resident memory is the limit.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readProcessStats } from '../../host/cells/process-stats.ts'
import { describeEngines } from '../engines.ts'
import { on } from './engine-differences.ts'
import { cellPids, startTarget, type Target } from './harness.ts'

const INTL = 'objects of Intl'

const BOMBS: Readonly<Record<string, string>> = {
  'an array of arrays': `const all = []; for (;;) all.push(new Array(1000).fill(1))`,
  'a string that doubles': `let text = 'x'; for (;;) { text += text; if (text.length > 1e8) text.charCodeAt(5) + [...text].length }`,
  'strings that are kept': `const all = []; for (let i = 0; ; i++) all.push(('s' + i).repeat(100) + Math.random())`,
  'an ArrayBuffer of a gigabyte': `return new Response(String(new ArrayBuffer(2 ** 30).byteLength))`,
  'ArrayBuffers that are kept': `const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1))`,
  'a Map': `const map = new Map(); for (let i = 0; ; i++) map.set(i, { i })`,
  'small objects in a list': `let list = null; for (;;) list = { list }`,
  'closures of promises': `const all = []; for (;;) all.push(Promise.resolve().then(() => all))`,
  'a resizable buffer': `const b = new ArrayBuffer(0, { maxByteLength: 2 ** 30 }); for (let n = 0; ; n += 1 << 20) { b.resize(n); new Uint8Array(b).fill(1, n - (1 << 20)) }`,
  'copies by structuredClone': `const all = [new Array(1e5).fill('x')]; for (;;) all.push(structuredClone(all))`,
  [INTL]: `const all = []; for (let i = 0; ; i++) { const f = new Intl.DateTimeFormat('en', { timeZone: 'Europe/Paris', dateStyle: 'full' }); f.format(0); all.push(f) }`,
  'compiled functions': `const all = []; for (let i = 0; ; i++) all.push(new Function('a', 'return a+' + i + '+' + 'a*1+'.repeat(500) + '1'))`,
  'regular expressions': `const all = []; for (let i = 0; ; i++) { const r = new RegExp('(a|b|c){' + (i % 50) + '}' + i + 'x'.repeat(500)); r.test('a'); all.push(r) }`,
  'bodies of requests that are cloned': `const all = []; const body = 'x'.repeat(1e6); for (;;) { const r = new Response(body + all.length); all.push(await r.clone().bytes()) }`,
}

describeEngines('memory without end', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine, { cells: { residentMb: 320 } })
  })
  afterAll(() => target.close())

  for (const [index, [name, body]] of Object.entries(BOMBS).entries()) {
    // An engine without Intl cannot be attacked by it.
    if (name === INTL && !on(engine, 'intl')) continue
    test(`a guest that fills its memory with ${name} is stopped`, async () => {
      const at = `mem${index}/bomb`
      await target.handler(at, body, {
        limits: { memoryMb: on(engine, 'bombMemoryMb'), cpuMs: 20_000, wallMs: 45_000 },
      })
      const { status, code } = await target.get(`/${at}/`)
      if (code === 'VELA_GUEST_THREW') expect(status).toBe(500)
      else {
        expect(code).toBe('VELA_TURN_EXCEEDED_MEMORY')
        expect(status).toBe(503)
      }
      await target.expectUnharmed()
    })
  }

  test('what the engine does not count is bounded by the resident memory of the cell', async () => {
    // V8 does not count what Intl holds. QuickJS counts everything, so there the operator's limit is the smaller one.
    const [bomb, memoryMb] = on(engine, 'uncountedMemory') ? [INTL, 64] : ['ArrayBuffers that are kept', 512]
    await target.handler('resident/svc', BOMBS[bomb] ?? '', { limits: { memoryMb, cpuMs: 20_000 } })
    let peakBytes = 0
    const look = setInterval(() => {
      for (const pid of cellPids()) peakBytes = Math.max(peakBytes, readProcessStats(pid)?.residentBytes ?? 0)
    }, 20)
    const { code } = await target.get('/resident/svc/')
    clearInterval(look)
    expect(code).toMatch(/^VELA_(TURN_EXCEEDED_MEMORY|GUEST_THREW)$/)
    // 320 MiB is the limit; what is over it was taken between two looks of the stopwatch.
    expect(peakBytes / 1024 / 1024).toBeLessThan(on(engine, 'uncountedMemory') ? 640 : 500)
    expect(peakBytes / 1024 / 1024).toBeGreaterThan(100)
  })

  test('an isolate that ran out of memory is replaced: the next request is served', async () => {
    const body = `if (request.url.endsWith('/bomb')) { const all = []; for (;;) all.push(new Array(1000).fill(1)) } return new Response('fine')`
    await target.handler('memagain/svc', body, { limits: { memoryMb: 32, cpuMs: 20_000 } })
    await target.handler('memagain/sibling', `return new Response('sibling')`)
    await target.get('/memagain/sibling/')
    const siblingLog = target.logOf('memagain/sibling')
    for (let round = 0; round < 2; round++) {
      expect((await target.get('/memagain/svc/bomb')).code).toBe('VELA_TURN_EXCEEDED_MEMORY')
      expect((await target.get('/memagain/svc/')).text).toBe('fine')
    }
    // The isolate went, not the process: nobody else's isolate ended.
    expect((await target.get('/memagain/sibling/')).text).toBe('sibling')
    expect(siblingLog.filter(({ message }) => message.includes('ended'))).toEqual([])
  })

  test('a deploy that runs out of memory at its start is refused with its own code', async () => {
    const source = `const all = []; for (;;) all.push(new Array(1000).fill(1)); export default { fetch() {} }`
    expect(await target.refusal('memstart/svc', source, { limits: { memoryMb: 32, startupMs: 9_000 } })).toBe(
      'VELA_DEPLOY_START_MEMORY',
    )
    await target.expectUnharmed()
  })
})
