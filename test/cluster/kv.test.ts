/** The key-value store over a cluster: two hosts' stores, each with its own file, over one real nats-server. */
import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createClusterKv, type ClusterKv } from '../../host/cluster/kv/store.ts'
import { decodeChange, encodeChange, encodeDrop } from '../../host/cluster/kv/wire.ts'
import { openKv } from '../../host/kv/store.ts'
import { createTestLog, open } from '../nats/open.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { bytes, textOf } from '../kv/support.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

const log = createTestLog()
let prefixes = 0
const freshPrefix = (): string => `kv${++prefixes}`

interface Host {
  readonly kv: ClusterKv
  close(): Promise<void>
}

async function startHost(prefix: string, dataDir: string | null = null, url = server.url): Promise<Host> {
  const nats = await open({ servers: [url], prefix }, log, { pingMs: 200, retryMs: 50, dialMs: 500 })
  const kv = createClusterKv({
    nats,
    local: await openKv({ dataDir }),
    log,
    isMine: () => true,
    reapEveryMs: 100,
  })
  let closed = false
  const close = async (): Promise<void> => {
    if (closed) return
    closed = true
    await kv.close()
    await nats.close()
  }
  onTestFinished(close)
  await kv.whenCurrent(10_000)
  expect(kv.isCurrent).toBe(true)
  return { kv, close }
}

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'vela-cluster-kv-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const eventually = async (check: () => Promise<void>): Promise<void> => {
  await expect.poll(async () => check().then(() => 'ok', String), { timeout: 10_000, interval: 5 }).toBe('ok')
}

describe('two hosts', () => {
  test('read at once what they wrote themselves, and soon what the other wrote', async () => {
    const prefix = freshPrefix()
    const [one, two] = [await startHost(prefix), await startHost(prefix)]
    const here = one.kv.namespace('acme', 'shop')
    const there = two.kv.namespace('acme', 'shop')
    const { version } = await here.put('a', bytes('1'), { metadata: { by: 'one' } })
    expect(await here.get('a')).toMatchObject({ version, metadata: '{"by":"one"}' })
    await eventually(async () => expect(await textOf(there, 'a')).toBe('1'))
    expect((await there.get('a'))?.version).toBe(version)
    await there.put('a', bytes('2'))
    expect(await textOf(there, 'a')).toBe('2')
    await eventually(async () => expect(await textOf(here, 'a')).toBe('2'))
    expect(await there.delete('a')).toEqual({ deleted: true })
    await eventually(async () => expect(await here.get('a')).toBeNull())
    expect(await here.delete('a')).toEqual({ deleted: false })
  })

  test('a read that is not behind an await is behind the write before it all the same', async () => {
    const { kv } = await startHost(freshPrefix())
    const space = kv.namespace('acme', 'shop')
    const writes = Array.from({ length: 20 }, (_, index) => space.put(`k${index % 3}`, bytes(`${index}`)))
    const [last, listed, many] = await Promise.all([
      textOf(space, 'k1'),
      space.list(),
      space.getMany(['k0', 'k2']),
    ])
    expect(last).toBe('19')
    expect(listed.keys.map(({ name }) => name)).toEqual(['k0', 'k1', 'k2'])
    expect(many.map((entry) => Buffer.from(entry?.value ?? []).toString())).toEqual(['18', '17'])
    await Promise.all(writes)
  })

  test('compare-and-set holds over both: of all increments none is lost', async () => {
    const prefix = freshPrefix()
    const hosts = [await startHost(prefix), await startHost(prefix)]
    const increment = async ({ kv }: Host): Promise<void> => {
      const space = kv.namespace('acme', 'counters')
      for (;;) {
        const entry = await space.get('n')
        const count = entry === null ? 0 : Number(Buffer.from(entry.value).toString())
        try {
          await space.put('n', bytes(String(count + 1)), { ifVersion: entry?.version ?? 0 })
          return
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'VELA_KV_CONFLICT' })
        }
      }
    }
    const worker = async (host: Host): Promise<void> => {
      for (let count = 0; count < 25; count++) await increment(host)
    }
    await Promise.all([...hosts, ...hosts].map(worker))
    await eventually(async () => {
      for (const { kv } of hosts) expect(await textOf(kv.namespace('acme', 'counters'), 'n')).toBe('100')
    })
  })

  test('"only if it is not there" is true again after a deletion, and of two who say so one is first', async () => {
    const prefix = freshPrefix()
    const [one, two] = [await startHost(prefix), await startHost(prefix)]
    const spaces = [one, two].map(({ kv }) => kv.namespace('acme', 'locks'))
    for (let round = 0; round < 5; round++) {
      const outcomes = await Promise.allSettled(
        spaces.map((space, index) => space.put('lock', bytes(String(index)), { ifVersion: 0 })),
      )
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      const winner = spaces[outcomes.findIndex(({ status }) => status === 'fulfilled')]
      await winner?.delete('lock')
      await eventually(async () => {
        for (const space of spaces) expect(await space.get('lock')).toBeNull()
      })
    }
  })

  test('the quota counts what all have written, and a refused write is nowhere', async () => {
    const prefix = freshPrefix()
    const [one, two] = [await startHost(prefix), await startHost(prefix)]
    await one.kv.namespace('acme', 'shop').put('a', Buffer.alloc(600), { quotaBytes: 1000 })
    const there = two.kv.namespace('acme', 'shop')
    await eventually(async () => expect(await there.get('a')).not.toBeNull())
    await expect(there.put('b', Buffer.alloc(600), { quotaBytes: 1000 })).rejects.toMatchObject({
      code: 'VELA_KV_QUOTA_EXCEEDED',
    })
    expect(await there.get('b')).toBeNull()
    expect(await two.kv.usage('acme')).toEqual(await one.kv.usage('acme'))
  })

  test('a value larger than a message of NATS is refused, and says what to do', async () => {
    const { kv } = await startHost(freshPrefix())
    const space = kv.namespace('acme', 'shop')
    await expect(space.put('big', Buffer.alloc(1024 * 1024))).rejects.toMatchObject({
      code: 'VELA_KV_BAD_REQUEST',
      message: expect.stringContaining('max_payload') as string,
    })
    await space.put('large', Buffer.alloc(900_000, 7))
    expect((await space.get('large'))?.value.length).toBe(900_000)
  })

  test('what expires goes from the journal too, and what was written in its place stays', async () => {
    const prefix = freshPrefix()
    const [one, two] = [await startHost(prefix), await startHost(prefix)]
    const space = one.kv.namespace('acme', 'shop')
    await space.put('gone', bytes('x'), { ttlMs: 150 })
    await space.put('kept', bytes('y'), { ttlMs: 150 })
    await space.put('kept', bytes('z'))
    await eventually(async () => {
      for (const { kv } of [one, two]) expect(await kv.usage('acme')).toMatchObject({ keys: 1 })
    })
    const late = await startHost(prefix)
    expect(await textOf(late.kv.namespace('acme', 'shop'), 'kept')).toBe('z')
    expect(await late.kv.namespace('acme', 'shop').get('gone')).toBeNull()
  })

  test('a deleted tenant is gone everywhere, also for who comes later; its name can be used again', async () => {
    const prefix = freshPrefix()
    const [one, two] = [await startHost(prefix), await startHost(prefix)]
    await one.kv.namespace('acme', 'shop').put('a', bytes('1'))
    await one.kv.namespace('other', 'shop').put('a', bytes('other'))
    await one.kv.deleteTenant('acme')
    await eventually(async () => expect(await two.kv.tenants()).toEqual(['other']))
    await two.kv.namespace('acme', 'shop').put('b', bytes('new'))
    const late = await startHost(prefix)
    const listed = await late.kv.namespace('acme', 'shop').list()
    expect(listed.keys.map(({ name }) => name)).toEqual(['b'])
    expect(await textOf(late.kv.namespace('other', 'shop'), 'a')).toBe('other')
  })
})

describe('a host', () => {
  test('that comes back has what was written meanwhile, from where it stood', async () => {
    const prefix = freshPrefix()
    const dir = makeDir()
    const first = await startHost(prefix, dir)
    await first.kv.namespace('acme', 'shop').put('a', bytes('1'))
    await first.close()
    const other = await startHost(prefix)
    await other.kv.namespace('acme', 'shop').put('a', bytes('2'))
    await other.kv.namespace('acme', 'shop').put('b', bytes('3'))
    const again = await startHost(prefix, dir)
    expect(await textOf(again.kv.namespace('acme', 'shop'), 'a')).toBe('2')
    expect(await textOf(again.kv.namespace('acme', 'shop'), 'b')).toBe('3')
  })

  test('that had a store before the cluster brings in what the cluster does not have', async () => {
    const prefix = freshPrefix()
    const dir = makeDir()
    const alone = await openKv({ dataDir: dir })
    await alone.namespace('acme', 'shop').put('mine', bytes('local'), { metadata: { a: 1 } })
    await alone.namespace('acme', 'shop').put('both', bytes('local'))
    await alone.close()
    const cluster = await startHost(prefix)
    await cluster.kv.namespace('acme', 'shop').put('both', bytes('cluster'))
    const joined = await startHost(prefix, dir)
    for (const { kv } of [joined, cluster]) {
      const space = kv.namespace('acme', 'shop')
      await eventually(async () => expect(await textOf(space, 'mine')).toBe('local'))
      expect((await space.get('mine'))?.metadata).toBe('{"a":1}')
      expect(await textOf(space, 'both')).toBe('cluster')
    }
  })

  test('reads without NATS, refuses to write, and goes on when NATS is back with all that was acknowledged', async () => {
    const own = await startNats()
    onTestFinished(() => own.stop())
    const { kv } = await startHost(freshPrefix(), null, own.url)
    const space = kv.namespace('acme', 'shop')
    await space.put('a', bytes('1'))
    await own.kill()
    expect(await textOf(space, 'a')).toBe('1')
    const write = space.put('a', bytes('2'))
    const outcome = write.then(
      () => 'stored',
      (error: { code?: string }) => error.code,
    )
    await own.restart()
    // It waits a while for NATS to come back, and is stored once or said to be in doubt.
    expect(['stored', 'VELA_CLUSTER_UNAVAILABLE']).toContain(await outcome)
    await space.put('b', bytes('3'))
    expect(await textOf(space, 'b')).toBe('3')
  })

  test('whose NATS lost everything brings it back from its own store', async () => {
    const own = await startNats()
    onTestFinished(() => own.stop())
    const prefix = freshPrefix()
    const dir = makeDir()
    const first = await startHost(prefix, dir, own.url)
    await first.kv.namespace('acme', 'shop').put('a', bytes('1'))
    await first.close()
    const empty = await startNats()
    onTestFinished(() => empty.stop())
    const again = await startHost(prefix, dir, empty.url)
    expect(await textOf(again.kv.namespace('acme', 'shop'), 'a')).toBe('1')
    const other = await startHost(prefix, null, empty.url)
    expect(await textOf(other.kv.namespace('acme', 'shop'), 'a')).toBe('1')
  })
})

test('any change reads back as it was written, and what is none is not taken for one', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, unit: 'binary' }),
      fc.uint8Array(),
      fc.option(fc.json()),
      fc.option(fc.nat()),
      (key, value, metadata, expiresAtMs) => {
        const change = { tenant: 'acme', namespace: 'shop', key, put: { value, metadata, expiresAtMs } }
        expect(decodeChange(encodeChange(change), 7)).toEqual({ ...change, sequence: 7 })
      },
    ),
  )
  expect(decodeChange(encodeDrop('acme'), 3)).toEqual({ tenant: 'acme', key: null, sequence: 3 })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
      expect(decodeChange(data, 1)).toBeUndefined()
    }),
  )
})
