/** What was acknowledged is there after the worst, and a file that cannot be trusted is refused, not repaired. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { open as openFile, readFile, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MIGRATIONS } from '../../host/kv/migrations.ts'
import { openKv } from '../../host/kv/store.ts'
import { MEBIBYTE } from '../../host/kv/types.ts'
import { makeDataDir } from '../data-dir.ts'
import { bytes, open, textOf } from './support.ts'

interface Writer {
  readonly pid: number
  /** The next line, or undefined when it has ended. */
  line(): Promise<string | undefined>
  kill(): Promise<void>
}

function startWriter(dataDir: string, lanes: number, from = 0): Writer {
  const path = fileURLToPath(new URL('./fixtures/writer.ts', import.meta.url))
  const child = spawn(process.execPath, [path, dataDir, String(lanes), String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  onTestFinished(kill)
  return {
    pid: child.pid ?? 0,
    kill,
    async line() {
      const next = await lines.next()
      return next.done === true ? undefined : next.value
    },
  }
}

/** Acknowledged numbers: `count` of them, or all that were still written when it is left out. */
async function acknowledged(writer: Writer, count = Infinity): Promise<number[]> {
  const numbers: number[] = []
  while (numbers.length < count) {
    const line = await writer.line()
    if (line === undefined) break
    if (/^ack \d+$/.test(line)) numbers.push(Number(line.slice(4)))
  }
  return numbers
}

/** Every number that the store holds, each with the value that was put. */
async function storedIn(dataDir: string): Promise<Set<number>> {
  const store = await openKv({ dataDir })
  const namespace = store.namespace('acme', 'shop')
  const numbers = new Set<number>()
  let after: string | undefined
  do {
    const page = await namespace.list({ after })
    for (const { name, metadata } of page.keys) {
      const number = Number(name.slice(4))
      expect([name, metadata, await textOf(namespace, name)]).toEqual([
        `key ${number}`,
        String(number),
        `value of ${number}`,
      ])
      numbers.add(number)
    }
    after = page.after ?? undefined
  } while (after !== undefined)
  expect((await store.usage('acme')).keys).toBe(numbers.size)
  await store.close()
  return numbers
}

async function crashed(): Promise<{ readonly dataDir: string; readonly wal: string }> {
  const dataDir = await makeDataDir()
  const writer = startWriter(dataDir, 1)
  await acknowledged(writer, 30)
  await writer.kill()
  return { dataDir, wal: join(dataDir, 'kv.sqlite-wal') }
}

describe('a host killed with kill -9 while it puts', () => {
  test.each([1, 32])('has everything it had acknowledged, putting %i at a time', async (lanes) => {
    const dataDir = await makeDataDir()
    const acks: number[] = []
    for (let round = 0; round < 2; round++) {
      const writer = startWriter(dataDir, lanes, round * 1_000_000)
      acks.push(...(await acknowledged(writer, 40 * lanes)))
      await writer.kill()
      acks.push(...(await acknowledged(writer)))
      const stored = await storedIn(dataDir)
      expect(acks.filter((number) => !stored.has(number))).toEqual([])
    }
  })

  test('and whose log was torn or zeroed at its tail opens with a part of the puts, each whole and in order', async () => {
    for (const harm of ['cut', 'zeroed']) {
      const { dataDir, wal } = await crashed()
      const size = (await stat(wal)).size
      if (harm === 'cut') await truncate(wal, size - 9000)
      else {
        const file = await openFile(wal, 'r+')
        await file.write(Buffer.alloc(9000), 0, 9000, size - 9000)
        await file.close()
      }
      const stored = await storedIn(dataDir)
      expect(stored.size).toBeGreaterThan(0)
      expect([...stored].sort((a, b) => a - b)).toEqual(Array.from(stored, (_, index) => index + 1))
    }
  })
})

describe('a store that cannot be trusted is refused, and left as it is', () => {
  const edit = (dataDir: string, sql: string): void => {
    const database = new DatabaseSync(join(dataDir, 'kv.sqlite'))
    database.exec(sql)
    database.close()
  }

  async function used(): Promise<string> {
    const dataDir = await makeDataDir()
    const store = await openKv({ dataDir })
    await store.namespace('acme', 'shop').put('key', Buffer.alloc(100_000, 'value'))
    await store.close()
    return dataDir
  }

  test('when a newer Vela wrote it', async () => {
    const dataDir = await used()
    edit(dataDir, 'PRAGMA user_version = 999')
    const before = await readFile(join(dataDir, 'kv.sqlite'))
    await expect(openKv({ dataDir })).rejects.toMatchObject({
      code: 'VELA_STORE_DAMAGED',
      message: expect.stringMatching(/version 999.*newer Vela/) as string,
    })
    expect(Buffer.compare(await readFile(join(dataDir, 'kv.sqlite')), before)).toBe(0)
    edit(dataDir, `PRAGMA user_version = ${MIGRATIONS.length}`)
    expect(await (await open({ dataDir })).namespace('acme', 'shop').get('key')).not.toBeNull()
  })

  test('when it was cut, emptied or removed', async () => {
    for (const harm of [
      async (path: string) => truncate(path, (await stat(path)).size - 50_000),
      (path: string) => truncate(path, 0),
      (path: string) => rm(path),
    ]) {
      const dataDir = await used()
      await harm(join(dataDir, 'kv.sqlite'))
      await expect(openKv({ dataDir })).rejects.toMatchObject({ code: 'VELA_STORE_DAMAGED' })
    }
  })

  test('while another host has it', async () => {
    const dataDir = await makeDataDir()
    const writer = startWriter(dataDir, 1)
    await acknowledged(writer, 1)
    await expect(openKv({ dataDir })).rejects.toMatchObject({
      code: 'VELA_STORE_LOCKED',
      message: expect.stringContaining(String(writer.pid)) as string,
    })
    await writer.kill()
    await open({ dataDir })
  })
})

describe('a store at its ceiling', () => {
  test('refuses the put whole with VELA_STORE_FULL, and not those beside it; goes on when there is room', async () => {
    const store = await open({ dataDir: await makeDataDir(), maxStoreBytes: MEBIBYTE })
    const namespace = store.namespace('acme', 'shop')
    await namespace.put('first', Buffer.alloc(600_000, 1))
    const outcomes = await Promise.allSettled([
      namespace.put('small', bytes('x')),
      namespace.put('first', Buffer.alloc(2_000_000)),
      namespace.put('large', Buffer.alloc(600_000)),
      namespace.put('last', bytes('x')),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: { code: 'VELA_STORE_FULL' } })
    expect(Buffer.from((await namespace.get('first'))?.value ?? []).equals(Buffer.alloc(600_000, 1))).toBe(
      true,
    )
    expect(await namespace.get('large')).toBeNull()
    expect((await namespace.list()).keys.map(({ name }) => name)).toEqual(['first', 'last', 'small'])
    await namespace.delete('first')
    await namespace.put('large', Buffer.alloc(600_000))
  })
})

const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0

describe.runIf(canTrace)('a disk whose fsync fails', () => {
  test('gets no acknowledgement, then or after it seems well again', async () => {
    const dataDir = await makeDataDir()
    const writer = startWriter(dataDir, 4)
    await acknowledged(writer, 5)
    const inject = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO']
    const tracer = spawn('strace', ['-f', '-q', '-o', '/dev/null', ...inject, '-p', String(writer.pid)])
    onTestFinished(() => void tracer.kill('SIGKILL'))
    let line = await writer.line()
    while (line?.startsWith('ack') === true) line = await writer.line()
    expect(line).toMatch(/^fail \d+ VelaError: The disk failed to keep what was written/)
    tracer.kill('SIGTERM')
    await once(tracer, 'exit')
    for (let count = 0; count < 20; count++) expect(await writer.line()).toMatch(/^fail .*fsync failed/)
    await writer.kill()
    expect(await acknowledged(writer)).toEqual([])
    expect((await storedIn(dataDir)).size).toBeGreaterThanOrEqual(5)
  })
})
