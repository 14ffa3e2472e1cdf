/**
 * A host that is killed again and again while it publishes and handles durable events, its handlers failing by chance. What it had
 * acknowledged is compared with what was handled in the end: nothing is missing, each key's events stand in their order, and what nobody
 * could handle is a dead letter. The seed is in the test's name.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createChance, SEED } from '../actors/chance.ts'
import { makeDataDir } from '../data-dir.ts'

const KILLS = 5

interface Life {
  /** Acknowledged and handled, as key and number. */
  readonly acks: [key: string, at: number][]
  readonly handled: [key: string, at: number][]
  readonly dead: [key: string, at: number][]
  /** It ended by itself. */
  readonly isOver: boolean
}

/** Runs until it has handled so many, and is killed; undefined: until it ends. */
async function live(dataDir: string, seed: number, from: number, killAfter?: number): Promise<Life> {
  const path = fileURLToPath(new URL('./fixtures/durable-host.ts', import.meta.url))
  const lines = join(dirname(dataDir), `lines-${from}-${killAfter ?? 'last'}`)
  writeFileSync(lines, '')
  const mode = killAfter === undefined ? 'drain' : 'publish'
  const child = spawn(process.execPath, [path, dataDir, lines, String(seed), String(from), mode], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const exited = once(child, 'exit')
  const count = (): number => readFileSync(lines, 'utf8').split('\nhandled').length
  while (child.exitCode === null && child.signalCode === null) {
    if (killAfter !== undefined && count() >= killAfter) child.kill('SIGKILL')
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 5))])
  }
  const life: Life = { acks: [], handled: [], dead: [], isOver: child.exitCode === 0 }
  // The last may have been cut.
  for (const line of readFileSync(lines, 'utf8').split('\n').slice(0, -1)) {
    const [what, key = '', at] = line.split(' ')
    if (what === 'ack') life.acks.push([key, Number(at)])
    else if (what === 'handled') life.handled.push([key, Number(at)])
    else if (what === 'dead') life.dead.push([key, Number(at)])
  }
  return life
}

const nameOf = ([key, at]: [string, number]): string => `${key} ${at}`
const byKey = (list: readonly [string, number][]): Map<string, number[]> => {
  const keys = new Map<string, number[]>()
  for (const [key, at] of list) keys.set(key, [...(keys.get(key) ?? []), at])
  return keys
}

test(`a killed host has lost nothing that it acknowledged, and handles it in order by key (VELA_FAULT_SEED=${SEED})`, async () => {
  const chance = createChance(SEED)
  const dataDir = await makeDataDir()
  const lives: Life[] = []
  for (let kill = 0; kill < KILLS; kill++)
    lives.push(await live(dataDir, chance.below(2 ** 31), kill * 1_000_000, 200 + chance.below(1_500)))
  lives.push(await live(dataDir, chance.below(2 ** 31), 0))
  expect(lives.map(({ isOver }) => isOver)).toEqual([...Array.from({ length: KILLS }, () => false), true])

  const acks = lives.flatMap((life) => life.acks)
  const handled = lives.flatMap((life) => life.handled)
  expect(acks.length).toBeGreaterThan(KILLS * 200)
  const isPoison = ([key]: [string, number]): boolean => key.includes('poison')
  const settled = new Set(handled.map(nameOf))
  expect(acks.filter((ack) => !isPoison(ack) && !settled.has(nameOf(ack)))).toEqual([])
  const dead = new Set((lives.at(-1)?.dead ?? []).map(nameOf))
  expect(acks.filter((ack) => isPoison(ack) && !dead.has(nameOf(ack)))).toEqual([])
  expect([...dead].filter((name) => !name.includes('poison'))).toEqual([])

  const ascending = (numbers: readonly number[]): number[] => [...new Set(numbers)].sort((a, b) => a - b)
  for (const { handled: ofLife } of lives)
    // Within a life an event is handled once; a new life goes back to where the cursor was.
    for (const [key, numbers] of byKey(ofLife)) expect([key, numbers]).toEqual([key, ascending(numbers)])
  for (const [key, numbers] of byKey(handled)) {
    const firsts = [...new Set(numbers)]
    expect([key, firsts]).toEqual([key, ascending(numbers)])
  }
}, 120_000)
