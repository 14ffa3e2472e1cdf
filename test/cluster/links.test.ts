/** Links between nodes: what takes them, in which order, who may open one, and how they end. */
import { statSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { dirname } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LinkOffer } from '../../host/cluster/links/types.ts'
import { TLS } from '../../host/cluster/links/tls.ts'
import { codeOf, eventually } from '../actors/host-support.ts'
import { until } from '../until.ts'
import { createCable, type Cable } from './cable.ts'
import { type LinkNode, type LinkPair, startLinks } from './link-support.ts'

/** Each link through a cable of its own. */
function startCabledLinks(): LinkPair & { readonly cables: readonly Cable[] } {
  const cables: Cable[] = []
  onTestFinished(async () => {
    for (const cable of cables) await cable.close()
  })
  const pair = startLinks({
    async bend(offer) {
      const cable = await createCable(offer.tls?.port ?? 0)
      cables.push(cable)
      return { ...offer, tls: { host: '127.0.0.1', port: Number(new URL(cable.url).port) } }
    },
  })
  return { ...pair, cables }
}

/** What comes to its operation `note`, in order. */
function takeNotes({ handlers }: LinkNode): string[] {
  const seen: string[] = []
  handlers.set('note', ({ header }) => {
    seen.push(String(header))
    return { header: null }
  })
  return seen
}

/** Whether the listener lets in who says it has the key of this offer. */
async function dial(port: number, identity: string, psk: Buffer): Promise<'open' | 'refused'> {
  const { promise, resolve } = Promise.withResolvers<'open' | 'refused'>()
  const socket = connectTls({
    ...TLS,
    host: '127.0.0.1',
    port,
    pskCallback: () => ({ psk, identity }),
    checkServerIdentity: () => undefined,
  })
  socket.once('secureConnect', () => resolve('open'))
  socket.once('error', () => resolve('refused'))
  socket.once('close', () => resolve('refused'))
  const outcome = await promise
  socket.destroy()
  return outcome
}

const said = (node: LinkNode, event: string): number =>
  node.log.lines.filter((line) => line.event === event).length

describe.each([
  { how: 'between machines', overTls: true },
  { how: 'on one machine', overTls: false },
])('$how', ({ overTls }) => {
  test('requests and answers of any size take the link, many at once', async () => {
    const { near, far, linked } = startLinks({ overTls })
    far.handlers.set('echo', ({ header, body }, { from }) => ({ header: [header as string, from], body }))
    await linked()
    const large = Buffer.alloc(20_000_000, 7)
    const [small, big] = await Promise.all([near.ask('echo', 'é\n', 'ü'), near.ask('echo', '', large)])
    expect([small.header, small.body.toString()]).toEqual([['é\n', 'near'], 'ü'])
    expect(big.body.equals(large)).toBe(true)
    const many = Array.from({ length: 500 }, (_, index) => near.ask('echo', String(index)))
    const numbers = (await Promise.all(many)).map(({ header }) => Number((header as string[])[0]))
    expect(numbers).toEqual(many.map((_, index) => index))
    expect(await codeOf(near.ask('echo', '', Buffer.alloc(65 * 1024 * 1024)))).toBe(
      'VELA_CAPABILITY_BAD_CALL',
    )
    expect(await codeOf(near.ask('unknown', ''))).toBe('VELA_NODE_LOST')
    await eventually(() => [near.links.size, far.links.size]).toEqual([1, 1])
  })

  test('what is sent by the link waits for what went through NATS before', async () => {
    const { promise: passed, resolve: pass } = Promise.withResolvers<void>()
    const { near, far, linked } = startLinks({
      overTls,
      hold: (op) => (op === 'linked' ? passed : undefined),
    })
    const seen = takeNotes(far)
    await linked()
    const later = near.ask('note', 'by the link')
    // More than it would take.
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(seen).toEqual([])
    seen.push('through NATS')
    pass()
    await later
    expect(seen).toEqual(['through NATS', 'by the link'])
  })

  test('who leaves, and who is left, is heard of on the other side', async () => {
    const { near, far, linked } = startLinks({ overTls })
    const gone: string[] = []
    far.handlers.set('wait', ({ header }, { signal }) => {
      signal.addEventListener('abort', () => gone.push(String(header)))
      return new Promise(() => undefined)
    })
    await linked()
    expect(await codeOf(near.ask('wait', 'late', '', 50))).toBe('VELA_TASK_TIMEOUT')
    await eventually(() => gone).toEqual(['late'])
    const waits = codeOf(near.ask('wait', 'lost'))
    await eventually(() => far.serving()).toBe(2)
    near.links.drop((node) => node === 'far')
    expect(await waits).toBe('VELA_NODE_LOST')
    await eventually(() => gone).toEqual(['late', 'lost'])
    await eventually(() => far.links.size).toBe(0)
    await linked()
    far.handlers.set('echo', () => ({ header: 'again' }))
    expect((await near.ask('echo', '')).header).toBe('again')
  })

  test('with another key nothing is opened, and the log says so once', async () => {
    const { near, far, offers } = startLinks({
      overTls,
      bend: (offer) => ({ ...offer, key: '00'.repeat(32) }),
    })
    await until('it was tried again', () => near.links.to('far') !== undefined || offers.length > 1)
    await until('the log says so', () => said(near, 'no link to a host') > 0 || near.links.size > 0)
    expect(far.links.size).toBe(0)
    expect(said(near, 'no link to a host')).toBeLessThanOrEqual(1)
  })
})

test('a key opens one connection, and no name without its key does', async () => {
  const { near, far, offers, linked } = startLinks()
  far.handlers.set('echo', () => ({ header: 'here' }))
  await linked()
  const [{ tls, id, key, path }] = offers as [LinkOffer]
  const port = tls?.port ?? 0
  const say = async (where: { port: number; host: string } | string, text: Buffer): Promise<void> => {
    const socket = typeof where === 'string' ? connectPlain(where) : connectPlain(where)
    socket.on('error', () => undefined)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(text)
    await closed
  }
  expect(await dial(port, id, Buffer.from(key, 'hex'))).toBe('refused')
  expect(await dial(port, 'nobody', Buffer.alloc(32))).toBe('refused')
  await say({ port, host: '127.0.0.1' }, Buffer.from('GET / HTTP/1.1\r\n\r\n'))
  await say(path ?? '', Buffer.concat([Buffer.from(id), Buffer.from(key, 'hex')]))
  await say(path ?? '', Buffer.alloc(68))
  expect((await near.ask('echo', '')).header).toBe('here')
  expect(far.links.size).toBe(1)
  // Other users stay out.
  expect(statSync(dirname(path ?? '')).mode & 0o077).toBe(0)
})

test('an offer that nobody takes in time is none any more', async () => {
  const { near, offers } = startLinks({ offerMs: 50, bend: () => null })
  near.links.to('far')
  await until('it is offered', () => offers.length === 1)
  const [{ tls, id, key }] = offers as [LinkOffer]
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(await dial(tls?.port ?? 0, id, Buffer.from(key, 'hex'))).toBe('refused')
})

test('what is no offer, and a place where nobody can listen, open nothing', async () => {
  for (const bent of [null, {}, { tls: 1, path: 2 }, { id: 'y', key: 'short', tls: null, path: null }]) {
    const { near, offers } = startLinks({ bend: () => bent })
    near.links.to('far')
    await until('it is offered', () => offers.length > 0)
    expect([near.links.to('far'), near.links.size]).toEqual([undefined, 0])
  }
  const elsewhere = startLinks({ listenAt: { host: '203.0.113.1', port: 0 } })
  elsewhere.near.links.to('far')
  await until('the log says so', () => said(elsewhere.far, 'no links from other hosts') > 0)
  await until('it is offered', () => elsewhere.offers.length > 0)
  expect(elsewhere.offers[0]?.tls).toBeNull()
})

test('a link that falls silent, or breaks, ends what waits for it; another is opened', async () => {
  const { near, far, linked, cables } = startCabledLinks()
  far.handlers.set('echo', () => ({ header: 'here' }))
  far.handlers.set('slow', async () => {
    await new Promise((resolve) => setTimeout(resolve, 2500))
    return { header: 'slow' }
  })
  await linked()
  // Longer than the link may be silent: the other side is, and not gone.
  expect((await near.ask('slow', '')).header).toBe('slow')
  for (const end of ['cut', 'reset'] as const) {
    far.handlers.set('wait', () => new Promise(() => undefined))
    const before = far.serving()
    const waits = codeOf(near.ask('wait', ''))
    await eventually(() => far.serving()).toBe(before + 1)
    cables.at(-1)?.[end]()
    expect(await waits).toBe('VELA_NODE_LOST')
    await linked()
    expect((await near.ask('echo', '')).header).toBe('here')
  }
  expect(cables).toHaveLength(3)
})

test('what is unread of a link whose node sends another way by now is not read after', async () => {
  const { near, far, linked } = startLinks()
  const seen = takeNotes(far)
  await linked()
  await near.ask('note', 'first')
  const unread = codeOf(near.ask('note', 'unread'))
  await new Promise((resolve) => process.nextTick(resolve))
  near.links.drop(() => true)
  // As NATS would have it, before the link is read.
  far.links.superseded('near')
  seen.push('through NATS')
  expect(await unread).toBe('VELA_NODE_LOST')
  await linked()
  await near.ask('note', 'by the next')
  expect(seen).toEqual(['first', 'through NATS', 'by the next'])
})

test('a link that begins ends the one that its node had before', async () => {
  const { near, far, linked, cables } = startCabledLinks()
  const seen = takeNotes(far)
  await linked()
  await near.ask('note', 'first')
  cables[0]?.cut()
  const unread = codeOf(near.ask('note', 'unread'))
  await new Promise((resolve) => setImmediate(resolve))
  near.links.drop(() => true)
  expect(await unread).toBe('VELA_NODE_LOST')
  await linked()
  await near.ask('note', 'by the next')
  expect(far.links.size).toBe(1)
  cables[0]?.mend()
  await near.ask('note', 'last')
  expect(seen).toEqual(['first', 'by the next', 'last'])
})

test('answers that are taken too slowly fail, each by itself', async () => {
  const { near, far, linked } = startLinks({ overTls: false })
  const large = Buffer.alloc(40_000_000)
  far.handlers.set('large', () => ({ header: null, body: large }))
  await linked()
  const all = await Promise.all(['1', '2', '3'].map((name) => codeOf(near.ask('large', name))))
  expect(all).toEqual(['ok', 'ok', 'VELA_NODE_LOST'])
  expect(await codeOf(near.ask('large', '4'))).toBe('ok')
})

test.each([true, false])('a host that stops sends what it has answered first (TLS: %s)', async (overTls) => {
  const { near, far, linked } = startLinks({ overTls })
  const large = Buffer.alloc(40_000_000)
  far.handlers.set('last', () => {
    setImmediate(() => {
      void far.links.finish(20_000).then(() => far.links.close())
    })
    return { header: 'bye', body: large }
  })
  await linked()
  const { header, body } = await near.ask('last', '')
  expect([header, body.length]).toEqual(['bye', large.length])
  await eventually(() => [near.links.size, far.links.size]).toEqual([0, 0])
})
