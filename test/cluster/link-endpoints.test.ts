/** The two endpoints that links come in by, and who connects there: what hosts leave behind, other users' folders, who says half of it or nothing. */
import { fork } from 'node:child_process'
import { chown, mkdir, mkdtemp, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { listenLocally } from '../../host/cluster/links/local.ts'
import { TLS } from '../../host/cluster/links/tls.ts'
import type { LinkOffer } from '../../host/cluster/links/types.ts'
import { codeOf, eventually } from '../actors/host-support.ts'
import { until } from '../until.ts'
import { startLinks } from './link-support.ts'

const NOBODY = { keyOf: () => null, accepted: () => undefined }

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vela-endpoints-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function listen(at: string | number): Promise<Server> {
  const server = createServer((socket) => void socket.on('error', () => undefined).resume())
  await new Promise<void>((resolve) => server.listen(at, resolve))
  onTestFinished(() => void server.close())
  return server
}

test('who ends in the midst of saying who it is gets nothing, and the host goes on', async () => {
  const { near, far, offers } = startLinks({ overTls: false, bend: () => null })
  near.links.to('far')
  await until('it is offered', () => offers.length === 1)
  const [{ id, key, path }] = offers as [LinkOffer]
  const whole = Buffer.concat([Buffer.from(id), Buffer.from(key, 'hex')])
  for (const bytes of [0, 20, 36, 40, 67]) {
    const socket = connect(path ?? '').on('error', () => undefined)
    const said: Buffer[] = []
    socket.on('data', (chunk: Buffer) => said.push(chunk))
    socket.end(whole.subarray(0, bytes))
    await new Promise((resolve) => socket.once('close', resolve))
    expect(Buffer.concat(said)).toHaveLength(0)
  }
  expect(far.links.size).toBe(0)
})

test('folders of hosts that were killed are taken away, and nothing else', async () => {
  const { TMPDIR } = process.env
  const temporary = await newFolder()
  process.env['TMPDIR'] = temporary
  onTestFinished(() => {
    if (TMPDIR === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = TMPDIR
  })
  const at = (name: string): string => join(temporary, `vela-links-${name}`)
  /** A file that nobody listens at. */
  const leave = async (name: string): Promise<void> => {
    await mkdir(at(name))
    const server = await listen(join(temporary, 'passing'))
    await rename(join(temporary, 'passing'), join(at(name), 'link'))
    await new Promise((resolve) => server.close(resolve))
  }
  await leave('4194300-killed')
  // The number is of somebody who runs.
  await leave(`${process.pid}-killed`)
  await leave('4194301-full')
  await writeFile(join(at('4194301-full'), 'kept'), '')
  await leave('4194302-others')
  const isRoot = process.geteuid?.() === 0
  if (isRoot) await chown(at('4194302-others'), 1234, 1234)
  await mkdir(at('4194303-opening'))
  await mkdir(at('4194304-empty'))
  await utimes(at('4194304-empty'), 1, 1)
  await mkdir(join(temporary, 'target'))
  await symlink(join(temporary, 'target'), at('4194305-link'))
  // As of a host in a container of its own, whose number says nothing here.
  await mkdir(at('4194306-live'))
  await listen(join(at('4194306-live'), 'link'))

  const endpoint = await listenLocally(NOBODY)
  const left = (await readdir(temporary)).filter((name) => name.startsWith('vela-links-4'))
  const others = isRoot ? ['vela-links-4194302-others'] : []
  expect(left.sort()).toEqual([
    'vela-links-4194301-full',
    ...others,
    'vela-links-4194303-opening',
    'vela-links-4194305-link',
    'vela-links-4194306-live',
  ])
  expect(await readdir(at('4194301-full'))).toEqual(['kept'])
  const mine = `vela-links-${process.pid}-`
  expect((await readdir(temporary)).filter((name) => name.startsWith(mine))).toHaveLength(1)
  endpoint.close()
  await eventually(() => readdir(temporary).then((all) => all.some((name) => name.startsWith(mine)))).toBe(
    false,
  )
})

test('a connection by TLS gets no ticket, which would open another without a key', async () => {
  const { near, offers } = startLinks({ bend: () => null })
  near.links.to('far')
  await until('it is offered', () => offers.length === 1)
  const [{ id, key, tls }] = offers as [LinkOffer]
  const dial = async (session?: Buffer): Promise<TLSSocket | undefined> => {
    const { promise, resolve } = Promise.withResolvers<TLSSocket | undefined>()
    const socket = connectTls({
      ...TLS,
      ...tls,
      secureOptions: 0,
      ...(session === undefined ? {} : { session }),
      pskCallback: () => ({ psk: Buffer.from(key, 'hex'), identity: id }),
      checkServerIdentity: () => undefined,
    })
    onTestFinished(() => void socket.destroy())
    socket.once('secureConnect', () => resolve(socket))
    socket.on('error', () => resolve(undefined))
    return await promise
  }
  const first = await dial()
  expect([first?.getTLSTicket(), first?.getPeerFinished()?.length]).toEqual([undefined, 12])
  expect(await dial(first?.getSession())).toBeUndefined()
})

test('where nobody answers at the file, the link goes by TLS', async () => {
  const folder = await newFolder()
  const { near, far, linked } = startLinks({
    overTls: false,
    bend: (offer) => ({ ...offer, path: join(folder, 'link') }),
  })
  far.handlers.set('echo', () => ({ header: 'here' }))
  await linked()
  expect((await near.ask('echo', '')).header).toBe('here')
})

test('a link that is not wanted any more is given up while it opens', async () => {
  const { promise: came, resolve: come } = Promise.withResolvers<void>()
  const { promise: gone, resolve: go } = Promise.withResolvers<void>()
  const silent = createServer((socket) => {
    come()
    socket.resume().once('close', go)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void silent.close())
  const { port } = silent.address() as { port: number }
  const { near, offers } = startLinks({ bend: (offer) => ({ ...offer, tls: { host: '127.0.0.1', port } }) })
  near.links.to('far')
  await came
  const startMs = performance.now()
  near.links.drop(() => true)
  await gone
  // Sooner than it would be given up by itself.
  expect(performance.now() - startMs).toBeLessThan(2000)
  expect(near.log.lines).toEqual([])
  expect(offers).toHaveLength(1)
})

test.each([
  ['a name that is none', { id: 'x'.repeat(500) }, 0],
  ['a key that is none', { key: 'zz'.repeat(32) }, 0],
  ['a port that is none', { path: null, tls: { host: '127.0.0.1', port: 1e9 } }, 1],
  ['a path that is none', { path: 'a\0b', tls: null }, 1],
])('an offer with %s opens nothing', async (_what, damage, dialed) => {
  const { near, far, offers } = startLinks({ overTls: false, bend: (offer) => ({ ...offer, ...damage }) })
  near.links.to('far')
  await until('it was tried again', () => near.links.to('far') !== undefined || offers.length > 1)
  expect([near.links.size, far.links.size]).toEqual([0, 0])
  expect(near.log.lines).toHaveLength(dialed)
  expect(await codeOf(near.ask('echo', ''))).toContain('no way')
})

test('who comes to a endpoint and says nothing holds up no process that ends', async () => {
  const module = (name: string): string =>
    JSON.stringify(new URL(`../../host/cluster/links/${name}`, import.meta.url).href)
  const folder = await newFolder()
  const program = join(folder, 'endpoints.mjs')
  await writeFile(
    program,
    `import { listenLocally } from ${module('local.ts')}
    import { listenByTls } from ${module('tls.ts')}
    const nobody = { keyOf: () => null, accepted: () => undefined }
    const local = await listenLocally(nobody)
    const tls = await listenByTls({ host: '127.0.0.1', port: 0 }, nobody, () => undefined)
    process.once('message', () => {
      local.close()
      tls.close()
      process.disconnect()
    })
    process.send({ path: local.path, port: tls.port })`,
  )
  const child = fork(program, { env: { ...process.env, TMPDIR: folder } })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  onTestFinished(() => void child.kill('SIGKILL'))
  const { path, port } = await new Promise<{ path: string; port: number }>((resolve) =>
    child.once('message', (endpoints) => resolve(endpoints as { path: string; port: number })),
  )
  for (const at of [{ path }, { port, host: '127.0.0.1' }]) {
    const socket = connect(at).on('error', () => undefined)
    onTestFinished(() => void socket.destroy())
    await new Promise((resolve) => socket.once('connect', resolve))
  }
  // Both have been let in by then.
  const last = connect({ path }).on('error', () => undefined)
  last.end('x')
  await new Promise((resolve) => last.resume().once('close', resolve))
  const startMs = performance.now()
  child.send('end')
  expect(await exited).toBe(0)
  expect(performance.now() - startMs).toBeLessThan(4000)
  expect((await readdir(folder)).filter((name) => name.startsWith('vela-links-'))).toEqual([])
}, 30_000)
