/** Actors over real hosts, which are killed, stopped and cut off: one activation, no acknowledged write lost, stale owners refused. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { call, callSoon, deployCounter } from './counter-guest.ts'
import { deployTo, eventually, startCluster, type Cluster, type Host } from './hosts.ts'

/** A machine under load is late, and is not to lose its leases for it. */
const TIMES = { heartbeatMs: 500, leaseMs: 4000, lostAfterMs: 6000 }

/** Its answer takes half a second. */
const SLOW = `export default {
  async fetch() {
    await new Promise((resolve) => setTimeout(resolve, 500))
    return new Response('slow')
  },
}`

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ size: 3, times: TIMES })
  await deployCounter(cluster)
}, 180_000)
afterAll(() => cluster?.close(), 60_000)

const three = (): [Host, Host, Host] => cluster.hosts as unknown as [Host, Host, Host]

test('increments through all hosts meet in one activation', async () => {
  const hosts = three()
  const numbers = await Promise.all(
    Array.from({ length: 60 }, (_, index) => call(hosts[index % 3] as Host, 'one', 'add', `i${index}`)),
  )
  expect(numbers.toSorted((a, b) => Number(a) - Number(b))).toEqual(
    Array.from({ length: 60 }, (_, n) => n + 1),
  )
  expect(await call(hosts[1], 'one', 'read')).toBe(60)
  const metrics = await Promise.all(hosts.map(({ client }) => client.metrics()))
  const all = (name: string): number[] =>
    metrics.map((text) =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${name} `))
          ?.split(' ')[1],
      ),
    )
  expect(Math.max(...all('vela_cluster_actors_owned'))).toBeGreaterThanOrEqual(1)
  // A third of them comes from each of the two that do not own it.
  const sent = all('vela_cluster_actor_messages_total{direction="out"}')
  expect(sent.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(40)
  expect(Math.max(...all('vela_cluster_actor_messages_total{direction="in"}'))).toBeGreaterThanOrEqual(40)
})

test('state of megabytes moves, too', async () => {
  const [one, two] = three()
  expect(await call(one, 'large', 'fill', 30)).toBe(30)
  expect(await call(two, 'large', 'add', 'a')).toBe(1)
})

test('a request to an actor on another host has its body and its answer, and a WebSocket talks', async () => {
  const [one, two] = three()
  expect(await call(one, 'web', 'add', 'a')).toBe(1)
  // A host of a loaded machine may be without its lease for a moment, and says so.
  const text = await eventually('it is answered', async () => {
    const response = await fetch(`${two.gateway}/acme/count/web/fetch`, {
      method: 'PUT',
      body: 'x'.repeat(700_000),
      headers: { want: '900000' },
    })
    const said = await response.text()
    if (!response.ok) throw new Error(said)
    return said
  })
  expect(text.slice(0, 19)).toBe('n=1 PUT 700000 yyyy')
  expect(text.length).toBe(900_015)

  const socket = new WebSocket(`${two.gateway.replace('http', 'ws')}/acme/count/web/fetch`)
  const said: string[] = []
  socket.on('message', (data: Buffer) => said.push(data.toString()))
  await once(socket, 'open')
  socket.send('hällo')
  await eventually('it is echoed', () => said.length === 1)
  expect(said).toEqual(['echo hällo 1'])
  socket.close(4001, 'bye')
  const [code] = (await once(socket, 'close')) as [number]
  expect(code).toBe(4001)
})

test('what is too much for one host is served by another', async () => {
  const [one] = three()
  await deployTo(one, 'acme', 'slow', SLOW, { limits: { concurrency: 1, queueLength: 2, replicas: 1 } })
  for (const host of three()) await eventually(`${host.name} serves`, () => host.get('acme', 'slow'))
  // One runs and two wait here, or only two wait as yet; one or two too many are no more than another takes.
  const answers = await Promise.all(Array.from({ length: 4 }, () => fetch(`${one.gateway}/acme/slow/`)))
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 4 }, () => 200))
})

test('a host that is killed is followed by another, with every acknowledged increment', async () => {
  const [one, two, three_] = three()
  for (let n = 1; n <= 100; n++) expect(await call(one, 'killed', 'add', `k${n}`)).toBe(n)
  await call(one, 'ringing', 'ring', 4000)
  await one.kill()
  const startMs = performance.now()
  expect(await callSoon(two, 'killed', 'add', 'after')).toBe(101)
  const tookMs = performance.now() - startMs
  expect(tookMs).toBeLessThan(TIMES.lostAfterMs + 10_000)
  expect(Object.keys((await call(three_, 'killed', 'history')) as object).length).toBe(101)
  expect(await callSoon(three_, 'large', 'read')).toBe(1)
  // Nobody asked for it: the alarm alone brings it to another host.
  await eventually('the alarm rings', async () => (await call(two, 'ringing', 'rang')) === 1)
  await cluster.restart(0)
  await eventually('it is back', () => call(three()[0], 'killed', 'read'))
}, 120_000)

test('a host that was stopped past its lease writes nothing when it wakes up', async () => {
  const [one, two] = three()
  expect(await callSoon(one, 'stopped', 'add', 'a')).toBe(1)
  one.pause()
  expect(await callSoon(two, 'stopped', 'add', 'b')).toBe(2)
  expect(await call(two, 'stopped', 'add', 'c')).toBe(3)
  // It is in the sockets of the sleeper before it wakes.
  const stale = Promise.allSettled(
    Array.from({ length: 10 }, (_, n) => call(one, 'stopped', 'add', `stale${n}`)),
  )
  one.resume()
  const numbers = (await stale).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  // Whatever was answered was done by the one that owns it.
  const history = (await callSoon(two, 'stopped', 'history')) as Record<string, number>
  for (const number of numbers) expect(Object.values(history)).toContain(number)
  expect(new Set(Object.values(history)).size).toBe(Object.keys(history).length)
  const next = Number(await callSoon(one, 'stopped', 'add', 'd'))
  expect(next).toBe(Object.keys(history).length + 1)
  expect(await call(two, 'stopped', 'read')).toBe(next)
}, 120_000)

test('a restart of NATS costs answers, and no increment that was acknowledged', async () => {
  const [one, two] = three()
  expect(await callSoon(two, 'nats', 'add', 'first')).toBe(1)
  const acknowledged: number[] = []
  let stop = false
  const load = (async () => {
    for (let n = 0; !stop; n++) {
      try {
        acknowledged.push(Number(await call(n % 2 === 0 ? one : two, 'nats', 'add', `n${n}`)))
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  })()
  await eventually('there is load', () => acknowledged.length > 20)
  await cluster.nats.restart()
  const before = acknowledged.length
  await eventually('it goes on', () => acknowledged.length > before + 20)
  stop = true
  await load
  const history = (await callSoon(one, 'nats', 'history')) as Record<string, number>
  const kept = new Set(Object.values(history))
  expect(acknowledged.filter((number) => !kept.has(number))).toEqual([])
  expect(new Set(acknowledged).size).toBe(acknowledged.length)
  expect(acknowledged).toEqual(acknowledged.toSorted((a, b) => a - b))
}, 120_000)

test('a host that is cut off answers nothing from memory, though one of its actors is busy', async () => {
  const [one] = three()
  expect(await callSoon(one, 'memory', 'add', 'a')).toBe(1)
  expect(await callSoon(one, 'busy', 'read')).toBe(0)
  const leaving = new AbortController()
  // Without the fence it would answer until the busy one is done.
  const napping = fetch(`${one.gateway}/acme/count/busy/nap/25000`, leaving).catch(() => undefined)
  cluster.cables[0]?.cut()
  try {
    await eventually('it has lost its lease', async () =>
      (await one.client.metrics()).includes('vela_cluster_lease_held 0'),
    )
    const startMs = performance.now()
    await eventually('it says so', async () => !(await fetch(`${one.gateway}/acme/count/memory/read`)).ok)
    expect(performance.now() - startMs).toBeLessThan(12_000)
  } finally {
    cluster.cables[0]?.mend()
    leaving.abort()
  }
  await napping
  expect(await callSoon(one, 'memory', 'read')).toBe(1)
}, 60_000)

test('a host without a network answers that it is cut off, and the others take over', async () => {
  const [one, two] = three()
  expect(await callSoon(one, 'cut', 'add', 'a')).toBe(1)
  const [cable] = cluster.cables
  cable?.cut()
  expect(await callSoon(two, 'cut', 'add', 'b')).toBe(2)
  try {
    await eventually('it says so', async () => {
      const response = await fetch(`${one.gateway}/acme/count/cut/add/c`)
      return !response.ok
    })
  } finally {
    cable?.mend()
  }
  expect(await callSoon(one, 'cut', 'add', 'd')).toBe(3)
  expect(await call(two, 'cut', 'history')).toEqual({ a: 1, b: 2, d: 3 })
}, 120_000)
