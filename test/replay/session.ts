/** A busy session of several guests, recorded: all that a replay has to show again. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestRuntime } from '../e2e/support.ts'

export interface Folder extends Disposable {
  readonly path: string
  /** Recordings whose label has this in it, oldest first; all without. */
  recordings(label?: string): string[]
}

export function tempFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'vela-replay-'))
  return {
    path,
    recordings: (label = '') =>
      readdirSync(path)
        .filter((name) => name.endsWith('.vrec') && name.includes(label))
        .toSorted()
        .map((name) => join(path, name)),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}

/** Everything that could differ from run to run if the cell let it. */
const CURIOUS = `
const started = [Date.now(), Math.random(), crypto.randomUUID()]
let turns = 0
const depth = (n) => (n === 0 ? 0 : 1 + depth(n - 1))
const deepest = () => {
  for (let round = 0; round < 20 * (turns % 7); round++) depth(300)
  let count = 0
  const dive = () => { count++; dive() }
  const climb = (n) => { count = n; return 1 + climb(n + 1) }
  const found = []
  for (const way of [dive, () => climb(0)]) { try { way() } catch (error) { found.push(error.message, count) } count = 0 }
  return found
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
export default {
  async fetch(request) {
    turns++
    const url = new URL(request.url)
    console.log('turn', turns, url.pathname, new Date(), Math.random())
    switch (url.pathname) {
      case '/look': {
        const body = request.body === null ? '' : await request.text()
        return Response.json({
          started, turns, body, now: Date.now(), date: String(new Date()), local: new Date().toLocaleString(),
          zone: globalThis.Intl?.DateTimeFormat().resolvedOptions(), formatted: globalThis.Intl && new Intl.DateTimeFormat().format(),
          random: [Math.random(), Math.random()], uuid: crypto.randomUUID(),
          bytes: [...crypto.getRandomValues(new Uint8Array(40))], elapsed: performance.now(), deepest: deepest(),
          stack: new Error('here').stack, order: [3, 1, 2].sort(() => Math.random() - 0.5),
          globals: Object.getOwnPropertyNames(globalThis), keys: Object.keys({ b: 1, 2: 0, a: 1, 1: 0 }),
        }, { headers: { 'x-random': String(Math.random()) } })
      }
      case '/wait': {
        const seen = []
        const every = setInterval(() => seen.push(Date.now()), 7)
        await Promise.all([sleep(5), sleep(1), sleep(20)])
        clearInterval(every)
        return Response.json({ seen, first: await Promise.race([sleep(3).then(() => 'timer'), Promise.resolve('promise')]) })
      }
      case '/echo':
        return new Response(request.body, { headers: { 'content-type': 'application/octet-stream' } })
      case '/feed': {
        let left = 12
        return new Response(new ReadableStream({
          async pull(controller) {
            await sleep(1)
            if (left-- === 0) controller.close()
            else controller.enqueue(crypto.getRandomValues(new Uint8Array(30_000)))
          },
        }))
      }
      case '/throw': throw Object.assign(new TypeError('no ' + Math.random()), { code: 'E_NO' })
      case '/reject': void Promise.reject(new Error('nobody listens')); return new Response('ok')
      case '/log': for (let line = 0; line < 500; line++) console.warn('line', line, 'x'.repeat(line)); return new Response('said')
      case '/big': return new Response('ü'.repeat(200_000))
      case '/full': {
        const kept = []
        try { for (;;) kept.push(new ArrayBuffer(1 << 20)) } catch (error) { return Response.json([kept.length, error.message]) }
      }
      case '/half': return new Response(new ReadableStream({ pull() { throw new Error('broke ' + Date.now()) } }))
      case '/spin': console.log('spinning'); for (;;);
      case '/bomb': { console.log('bombing'); const kept = []; for (;;) kept.push(new Array(50_000).fill(kept.length)) }
      default: return new Response('?', { status: 404 })
    }
  },
  add: (a, b) => a + b + Math.random(),
  start() { console.log('start', Date.now()) },
  async stop(reason) { await sleep(2); console.log('stop', reason, Math.random()) },
}
export class Counter { constructor(ctx, env) { this.env = env } count() { return { turns, vars: this.env } } }
`

/** Plays every kind of traffic; resolves when all of it has been answered, one way or another. */
export async function busySession(
  { runtime, urls, deploy, get }: TestRuntime,
  engine: 'v8' | 'quickjs' = 'v8',
): Promise<void> {
  const manifest = { engine, vars: { colour: 'green' }, limits: { cpuMs: 80 } }
  await deploy('curious', CURIOUS, { tenant: 'acme', manifest })
  await deploy('twin', CURIOUS, {
    tenant: 'acme',
    manifest: { engine, limits: { cpuMs: 1_000, memoryMb: 32 } },
  })
  await runtime.putSecret('acme', 'twin', 'KEY', 'secret')
  const at = (service: string, path: string, init?: RequestInit): Promise<unknown> =>
    get(`/acme/${service}${path}`, init)
      .then((response) => response.arrayBuffer())
      .catch(String)
  const invoke = (method: string, args: number[]): Promise<unknown> =>
    runtime.invoke('acme/curious', method, args).catch(String)

  for (const paths of [
    ['/look', '/wait'],
    ['/feed', '/echo', '/look'],
    ['/throw', '/reject', '/half', '/big', '/log'],
  ]) {
    await Promise.all(
      paths.flatMap((path) =>
        ['curious', 'twin'].flatMap((service) => [
          at(
            service,
            path,
            path === '/echo' ? { method: 'POST', body: new Uint8Array(300_000).fill(7) } : {},
          ),
          at(service, path, path === '/look' ? { method: 'POST', body: 'grüße' } : {}),
        ]),
      ),
    )
    await Promise.all([invoke('add', [1, 2]), invoke('Counter.count', []), invoke('missing', [])])
  }
  const gone = new AbortController()
  const leaving = at('curious', '/feed', { signal: gone.signal })
  const slow = fetch(`${urls.gateway}/acme/twin/wait`).then((response) => response.text())
  gone.abort()
  await Promise.all([leaving, slow])
  // Not with the twin: the host's watchdog gives a batch what all in it may use.
  await Promise.all([at('curious', '/spin'), at('curious', '/look')])
  await at('curious', '/look')
  await at('twin', '/full')
  await at('twin', '/bomb')
  await at('twin', '/look')
  const inFlight = at('curious', '/wait')
  await deploy('curious', `${CURIOUS}// two`, { tenant: 'acme', manifest })
  await inFlight
  await asleep(runtime)
  await Promise.all([at('curious', '/look'), at('twin', '/look')])
}

/** Until the services have given up their isolates for want of calls. */
async function asleep(runtime: TestRuntime['runtime']): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const services = await runtime.services('acme')
    if (services.every(({ state }) => state === 'idle')) return
    if (performance.now() > deadline) throw new Error('The services do not hibernate')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
