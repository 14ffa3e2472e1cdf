import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openRegistry } from '../../host/registry/registry.ts'
import { makeDataDir } from '../data-dir.ts'
import { open, run, withCode } from './support.ts'
import type { Child } from './support.ts'

async function acknowledged(child: Child, count: number): Promise<number[]> {
  const acks: number[] = []
  while (acks.length < count) {
    const [word, number] = (await child.line()).split(' ')
    if (word === 'ack') acks.push(Number(number))
  }
  return acks
}

/** What the child still wrote before it died; each of these was acknowledged too. */
async function remaining(child: Child): Promise<number[]> {
  const acks: number[] = []
  for (let next = await child.lines.next(); next.done !== true; next = await child.lines.next()) {
    if (/^ack \d+$/.test(next.value)) acks.push(Number(next.value.slice(4)))
  }
  return acks
}

async function storedNumbers(dataDir: string): Promise<Set<number>> {
  const registry = await openRegistry({ dataDir })
  const numbers = new Set<number>()
  for (let service = 0; service < 50; service += 1) {
    for (let part = 0; part < 5; part += 1) {
      const secrets = await registry.readSecrets('acme', `service-${service}-${part}`)
      for (const [key, value] of Object.entries(secrets)) {
        expect(value).toBe(`value of ${key.slice(2)}`)
        numbers.add(Number(key.slice(2)))
      }
    }
  }
  await registry.close()
  return numbers
}

describe('a host killed with kill -9 while it writes', () => {
  it.each([1, 16])('loses nothing it had acknowledged, writing %i at a time', async (lanes) => {
    const dataDir = await makeDataDir()
    const acks: number[] = []
    for (let round = 0; round < 2; round += 1) {
      const child = run('writer.ts', dataDir, String(lanes))
      const seen = await acknowledged(child, 40 + round * 35)
      await child.kill()
      acks.push(...seen, ...(await remaining(child)))
      const stored = await storedNumbers(dataDir)
      expect(acks.filter((number) => !stored.has(number))).toEqual([])
    }
  })
})

describe('a data directory', () => {
  it('belongs to one host, which the refusal of the second names', async () => {
    const dataDir = await makeDataDir()
    const owner = run('writer.ts', dataDir)
    expect(await owner.line()).toBe('ready')
    const refusal = withCode('VELA_STORE_LOCKED', new RegExp(`pid ${owner.process.pid}\\b`))
    await expect(openRegistry({ dataDir })).rejects.toEqual(refusal)
    await expect(openRegistry({ dataDir })).rejects.toMatchObject({ details: { pid: owner.process.pid } })
  })

  it('is free again as soon as its host is killed with kill -9', async () => {
    const dataDir = await makeDataDir()
    const owner = run('writer.ts', dataDir)
    expect(await owner.line()).toBe('ready')
    await owner.kill()
    expect(existsSync(join(dataDir, 'host.pid'))).toBe(true)
    const registry = await open({ dataDir })
    expect(await registry.listTenants()).toHaveLength(1)
  })

  it('is not opened twice by one process either, and is free again after close', async () => {
    const dataDir = await makeDataDir()
    const registry = await openRegistry({ dataDir })
    await expect(openRegistry({ dataDir })).rejects.toEqual(withCode('VELA_STORE_LOCKED', /this process/))
    await expect(openRegistry({ dataDir })).rejects.toEqual(withCode('VELA_STORE_LOCKED'))
    await registry.close()
    await open({ dataDir })
  })

  it('is given to exactly one of many hosts that start at once', async () => {
    const dataDir = await makeDataDir()
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => openRegistry({ dataDir })))
    const admitted = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    expect(admitted).toHaveLength(1)
    for (const { value } of admitted) onTestFinished(() => value.close())
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toEqual(withCode('VELA_STORE_LOCKED'))
    }
  })
})

const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0

describe('a disk whose fsync fails', () => {
  it.skipIf(!canTrace)('gets no acknowledgement, neither then nor after it seems well again', async () => {
    const dataDir = await makeDataDir()
    const child = run('writer.ts', dataDir)
    await acknowledged(child, 5)
    const inject = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO']
    const tracer = spawn('strace', [
      '-f',
      '-q',
      '-o',
      '/dev/null',
      ...inject,
      '-p',
      String(child.process.pid),
    ])
    onTestFinished(() => void tracer.kill('SIGKILL'))
    let line = await child.line()
    while (line.startsWith('ack')) line = await child.line()
    expect(line).toMatch(/^fail \d+ VelaError: The disk failed to keep what was written/)
    tracer.kill('SIGTERM')
    await once(tracer, 'exit')
    for (let count = 0; count < 20; count += 1) expect(await child.line()).toMatch(/^fail .*fsync failed/)
    await child.kill()
    expect((await remaining(child)).length).toBe(0)
    expect((await storedNumbers(dataDir)).size).toBeGreaterThanOrEqual(5)
  })
})
