/** A nats-server for a contender: on a free port of this machine, with JetStream in the contender's folder. Ends with its parent's process group. */
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const TRIES = 200

/** Resolves to its address once it takes connections. */
export async function startNatsServer(): Promise<string> {
  const port = await freePort()
  const folder = mkdtempSync(join(process.env['HOME'] ?? tmpdir(), 'nats-'))
  const child = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder], {
    stdio: 'ignore',
  })
  process.once('exit', () => child.kill('SIGKILL'))
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  for (let tries = 0; tries < TRIES; tries++) {
    if (await Promise.race([isOpen(port), failed])) return `nats://127.0.0.1:${port}`
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('nats-server did not start')
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address === 'object' && address !== null) return address.port
  throw new Error('no free port')
}
