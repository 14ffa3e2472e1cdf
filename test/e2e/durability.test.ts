/** What was acknowledged is there after the worst: kill -9, two hosts on one directory, taken ports, full disks. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, statfsSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createAdminClient, type AdminClient } from '../../host/admin/client.ts'
import { Runtime } from '../../host/index.ts'
import { parseManifestJson } from '../../host/manifest/manifest.ts'
import { runVela } from '../cli/run.ts'
import { startHost, type HostProcess } from './host-process.ts'
import { cellPidsOf, deploySource, handler, isRunning, tempDir, until, type TempDir } from './support.ts'

const TOKEN = 'a-token-for-this-test-alone'

const clientOf = (host: HostProcess): AdminClient => createAdminClient({ url: host.admin, token: TOKEN })

/** A new version each time, which tells its number and its secret. */
const numbered = (number: number): string =>
  handler(`return Response.json({ number: ${number}, secret: env.SECRET ?? null })`)

async function deployAndPut(
  client: AdminClient,
  number: number,
  acknowledged: (what: 'deploy' | 'secret') => void,
): Promise<void> {
  await client.deploy({
    tenant: 'acme',
    manifest: parseManifestJson({ name: 'counter' }),
    bundle: { source: numbered(number), sourceMap: null },
  })
  acknowledged('deploy')
  await client.putSecret('acme', 'counter', 'SECRET', String(number))
  acknowledged('secret')
}

describe('a host that is killed', () => {
  test('in the middle of deploys and secrets has everything that was acknowledged when it starts again, and serves it', async () => {
    using folder = tempDir()
    let number = 0
    let deployed = 0
    let secret = 0
    for (let round = 0; round < 3; round++) {
      const host = await startHost(folder.path, { env: { VELA_ADMIN_TOKEN: TOKEN, VELA_CELLS_SPARES: '1' } })
      const client = clientOf(host)
      if (round === 0) await client.createTenant('acme')
      else {
        const answer = (await (await fetch(`${host.gateway}/acme/counter/`)).json()) as {
          number: number
          secret: string
        }
        // The one that was under way may have happened, and what was acknowledged must have.
        expect([deployed, deployed + 1]).toContain(answer.number)
        expect([secret, secret + 1]).toContain(Number(answer.secret))
      }
      const last = number + 5 + round
      const running = (async () => {
        for (;;) {
          number++
          await deployAndPut(client, number, (what) => {
            if (what === 'deploy') deployed = number
            else secret = number
          })
        }
      })()
      running.catch(() => undefined)
      await until('some deploys are through', () => number > last)
      const cells = cellPidsOf(host.pid)
      host.signal('SIGKILL')
      expect(await host.ended).toBe('SIGKILL')
      await expect(running).rejects.toThrow()
      await until('the orphans have ended', () => cells.every((pid) => !isRunning(pid)))
      // A number that was begun may be stored; the next begins after it.
      number = Math.max(deployed + 1, secret + 1)
    }
  })
})

describe('a second host', () => {
  test('on the same data directory is refused with VELA_STORE_LOCKED, and the first is not disturbed', async () => {
    using folder = tempDir()
    await using host = await startHost(folder.path)
    const second = await runVela(['start', '--json', '--port', '0', '--admin-port', '0'], {
      cwd: folder.path,
    })
    expect(second.exitCode).toBe(1)
    expect(JSON.parse(second.stdout)).toMatchObject({ error: { code: 'VELA_STORE_LOCKED' } })
    expect((await host.vela(['list', '--json'])).exitCode).toBe(0)
  })

  test('on a taken port is refused, leaves nothing running, and loses nothing', async () => {
    using folder = tempDir()
    folder.write('svc.ts', 'export default { fetch: () => new Response("kept") }')
    {
      await using host = await startHost(folder.path)
      expect((await host.vela(['deploy', 'svc.ts'])).exitCode).toBe(0)
      host.signal('SIGTERM')
      expect(await host.ended).toBe(0)
    }
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const port = String((taken.address() as AddressInfo).port)
    const refused = await runVela(['start', '--json', '--port', port, '--admin-port', '0'], {
      cwd: folder.path,
    })
    taken.close()
    expect(refused.exitCode).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'VELA_HOST_PORT_TAKEN' } })
    // Were anything of it still running, the directory would be locked.
    await using host = await startHost(folder.path)
    expect(await (await fetch(`${host.gateway}/demo/svc/`)).text()).toBe('kept')
  })
})

const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0

/** A file system of its own, of a few MiB. */
function tinyDisk(folder: TempDir): Disposable & { readonly path: string } {
  const path = join(folder.path, 'disk')
  mkdirSync(path)
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path])
  if (status !== 0) throw new Error(`no tmpfs: ${String(stderr)}`)
  return { path, [Symbol.dispose]: () => void spawnSync('umount', ['--lazy', path]) }
}

describe.runIf(canMount)('a full disk', () => {
  test('refuses a deploy with VELA_STORE_FULL, keeps serving, and takes deploys again when there is room', async () => {
    using folder = tempDir()
    using disk = tinyDisk(folder)
    const runtime = await Runtime.create({
      data: disk.path,
      gateway: { port: 0 },
      admin: { port: 0 },
      log: { level: 'silent' },
    })
    try {
      await deploySource(runtime, 'svc', handler('return new Response("before")'))
      const { gateway } = await runtime.start()
      const { bavail, bsize } = statfsSync(disk.path)
      const filler = join(disk.path, 'filler')
      writeFileSync(filler, Buffer.alloc(bavail * bsize - 64 * 1024))
      // Nothing that compresses.
      const big = `${handler('return new Response("after")')}\n//${randomBytes(600_000).toString('base64')}`
      await expect(deploySource(runtime, 'svc', big)).rejects.toMatchObject({ code: 'VELA_STORE_FULL' })
      expect(await (await fetch(`${gateway}/t/svc/`)).text()).toBe('before')
      expect(await runtime.versions('t', 'svc')).toHaveLength(1)
      writeFileSync(filler, '')
      await deploySource(runtime, 'svc', big)
      expect(await (await fetch(`${gateway}/t/svc/`)).text()).toBe('after')
    } finally {
      await runtime.stop()
    }
  })
})
