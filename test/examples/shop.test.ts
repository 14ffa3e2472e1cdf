/** The shop of five services and two tenants, run as its reader runs it: on one host, and on two of which one is killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { join } from 'node:path'
import { onTestFinished, expect, test } from 'vitest'
import { startNats } from '../nats/server.ts'

const PROGRAM = join(import.meta.dirname, '../../examples/shop/run.ts')

async function run(...args: string[]): Promise<{ code: unknown; lines: readonly string[] }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [out, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[unknown]>,
  ])
  return { code, lines: `${out}${errors}`.split('\n').map((line) => line.trim()) }
}

const lettersTo = (lines: readonly string[], customer: string): readonly string[] =>
  lines.filter((line) => line.startsWith(`letter to ${customer},`))

test('on one host every order is settled, told to its customer once, and in the audit log', async () => {
  const { code, lines } = await run()
  expect(lines).toEqual(expect.arrayContaining(['ann: 49.50 €, reserved', 'bob: 60.00 €, short']))
  expect(lines).toContain('{"placed":20,"refused":0}')
  expect(lines).toContain('carol has 20 orders, and 68 teas are left on the shelf')
  expect(lines).toContain('she has 20 letters, and the audit log has 44 facts')
  expect(lettersTo(lines, 'bob')).toEqual([expect.stringContaining('We are out of mug')])
  expect(lettersTo(lines, 'carol')).toHaveLength(20)
  expect(code).toBe(0)
})

test('on two hosts it is the same shop, and what the one that is killed had goes on with the other', async () => {
  // The program starts a nats-server of its own if it finds one; the tests have one wherever they run.
  const nats = await startNats()
  onTestFinished(() => nats.stop())
  const { code, lines } = await run('--hosts', '2', '--nats', nats.url)
  expect(lines).toEqual(
    expect.arrayContaining(['ann: 49.50 €, reserved', 'bob: 60.00 €, short', 'dan: 9.00 €, reserved']),
  )
  expect(lines).toContain('{"placed":20,"refused":0}')
  // Twelve, twenty and two: an event that came twice took nothing twice.
  expect(lines).toContain('carol has 20 orders, and 66 teas are left on the shelf')
  expect(lines).toContain('she has 20 letters, and the audit log has 46 facts')
  expect(code).toBe(0)
}, 120_000)
