/** Who is let in, and what is said to who is not. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Runtime } from '../../host/core/runtime.ts'
import { CERTIFICATE, PRIVATE_KEY } from '../fetch/certificate.ts'
import { makeCredentials } from './credentials.ts'
import { createTestLog, open } from './open.ts'
import { freePort, startNats } from './server.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vela-nats-test-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

/** What a start says to its operator. */
async function refusal(input: Parameters<typeof open>[0]): Promise<unknown> {
  const log = createTestLog()
  try {
    const nats = await open(input, log)
    await nats.close()
  } catch (error) {
    return error
  }
  throw new Error('it was not refused')
}

describe('credentials', () => {
  test('a token, a user with a password, and a credentials file open the door', async () => {
    const { config, creds } = makeCredentials()
    const servers = await Promise.all([
      startNats({ auth: { token: 's3cret' } }),
      startNats({ auth: { user: 'vela', password: 'pa ss' } }),
      startNats({ config }),
    ])
    const [byToken, byUser, byFile] = servers
    const connections = await Promise.all([
      open({ servers: [byToken.url], token: 's3cret' }),
      open({ servers: [byUser.url], user: 'vela', password: 'pa ss' }),
      open({ servers: [byFile.url], credentials: file('good.creds', creds) }),
    ])
    for (const nats of connections) {
      const bucket = await nats.kv('vela-doors')
      await bucket.put('key', 'value')
      expect((await bucket.get('key'))?.string()).toBe('value')
      await nats.close()
    }

    const { creds: foreign } = makeCredentials()
    const wrong = [
      await refusal({ servers: [byToken.url] }),
      await refusal({ servers: [byToken.url], token: 'guess-me' }),
      await refusal({ servers: [byUser.url], user: 'vela', password: 'guess-me' }),
      await refusal({ servers: [byFile.url], credentials: file('foreign.creds', foreign) }),
    ]
    for (const error of wrong) {
      expect(error).toMatchObject({ code: 'VELA_CLUSTER_UNAVAILABLE' })
      expect((error as Error).message).toMatch(/refuses the credentials \(.*\); correct them/)
      expect((error as Error).message).not.toContain('guess-me')
    }
    expect((wrong[0] as Error).message).toContain('none are configured')
    expect((wrong[1] as Error).message).toContain('nats.token')
    await Promise.all(servers.map((server) => server.stop()))
  })

  test('a user who may use no more than docs/cluster.md says can be a host of a cluster', async () => {
    const text = readFileSync(join(import.meta.dirname, '../../docs/cluster.md'), 'utf8')
    const line = text.split('\n').find((each) => each.startsWith('The user needs the subjects')) ?? ''
    const subjects = [...line.matchAll(/`([^`]+)`/g)].map(([, subject = '']) =>
      subject.replace('<prefix>', 'vela'),
    )
    expect(subjects).toContain('vela.>')
    const allowed = JSON.stringify(subjects)
    const server = await startNats({
      config: `authorization { users: [
        { user: host, password: pw, permissions: { publish: ${allowed}, subscribe: ${allowed} } }
      ] }`,
    })
    const runtime = await Runtime.create({
      data: null,
      gateway: { port: 0 },
      admin: { port: 0 },
      log: { level: 'silent' },
      cells: { spares: 0 },
      nats: { servers: [server.url], user: 'host', password: 'pw' },
    })
    await runtime.start()
    await runtime.registry.createTenant('acme')
    await runtime.deploy({
      tenant: 'acme',
      manifest: { name: 'hello', engine: 'v8', routes: [], limits: {}, vars: {}, capabilities: {} },
      bundle: { source: 'export default { fetch: () => new Response("hi") }', sourceMap: null },
    })
    const heard = Promise.withResolvers<unknown>()
    const options = { kind: 'durable', name: 'x' } as const
    await runtime.events.subscribe('acme', 'a.*', ({ data }) => heard.resolve(data), options).ready
    await runtime.events.publish('acme', 'a.b', 'heard', { kind: 'durable' })
    expect(await heard.promise).toBe('heard')
    await runtime.stop()
    expect(server.log()).not.toMatch(/violation/i)
    await server.stop()
  })

  test('a credentials file that is none is named', async () => {
    const servers = ['nats://127.0.0.1:1']
    expect(await refusal({ servers, credentials: join(folder, 'nowhere.creds') })).toMatchObject({
      message: expect.stringMatching(/nowhere\.creds\) cannot be read \(ENOENT\)/),
    })
    expect(await refusal({ servers, credentials: file('notes.txt', 'hello') })).toMatchObject({
      message: expect.stringContaining('is no credentials file'),
    })
  })
})

describe('TLS', () => {
  test('a file that is not there, or is none, is named before anything is dialed', async () => {
    const servers = ['tls://127.0.0.1:1']
    expect(await refusal({ servers, tls: { ca: join(folder, 'nowhere.pem') } })).toMatchObject({
      message: expect.stringMatching(/^nats\.tls\.ca \(.*nowhere\.pem\) cannot be read \(ENOENT\)/),
    })
    const text = file('text.pem', 'hello')
    const cert = file('whole.pem', CERTIFICATE)
    expect(await refusal({ servers, tls: { cert: text, key: text } })).toMatchObject({
      message: expect.stringMatching(/^nats\.tls\.cert \(.*\) has no certificate in it/),
    })
    expect(await refusal({ servers, tls: { cert, key: cert } })).toMatchObject({
      message: expect.stringMatching(/^nats\.tls\.key \(.*\) has no private key in it/),
    })
  })

  test('both sides prove who they are, and who cannot is told why', async () => {
    const cert = file('cert.pem', CERTIFICATE)
    const key = file('key.pem', PRIVATE_KEY)
    const server = await startNats({ tls: { cert, key, ca: cert } })
    const nats = await open({ servers: [server.url], tls: { ca: cert, cert, key } })
    expect(nats.connection.info?.tls_required).toBe(true)
    await (await nats.kv('vela-tls')).put('key', 'value')
    await nats.close()

    // Signed by nobody that this host trusts.
    expect(await refusal({ servers: [server.url] })).toMatchObject({
      message: expect.stringMatching(/TLS failed \(.*certificate.*\); set nats\.tls\.ca/),
    })
    // The server ends the connection after the handshake, without a reason that could be told.
    const anonymous = await open(
      { servers: [server.url], tls: { ca: cert }, connectTimeoutMs: 700 },
      createTestLog(),
      { dialMs: 300 },
    )
    expect(anonymous.health()).toMatchObject({
      nats: 'lost',
      problem: expect.stringContaining('nats.tls.cert'),
    })
    await anonymous.close()
    await server.stop()
  })

  test('tls:// is never spoken in the clear', async () => {
    const server = await startNats()
    expect(await refusal({ servers: [server.url.replace('nats:', 'tls:')] })).toMatchObject({
      message: expect.stringContaining('check nats.tls'),
    })
    await server.stop()
  })
})

describe('a server that cannot serve Vela', () => {
  test('JetStream switched off, for all or for the account, is told with what to do', async () => {
    const off = await startNats({ jetstream: false })
    const { config, creds } = makeCredentials({ jetstream: false })
    const noAccount = await startNats({ config })
    expect(await refusal({ servers: [off.url] })).toMatchObject({
      message: expect.stringMatching(/JetStream switched off; start nats-server with -js/),
    })
    expect(
      await refusal({ servers: [noAccount.url], credentials: file('plain.creds', creds) }),
    ).toMatchObject({
      message: expect.stringMatching(/JetStream switched off for this account/),
    })
    await Promise.all([off.stop(), noAccount.stop()])
  })

  test('more copies than a single server can keep are refused at once', async () => {
    const server = await startNats()
    expect(await refusal({ servers: [server.url], replicas: 3 })).toMatchObject({
      message: expect.stringMatching(/nats\.replicas is 3, and NATS is a single server; set it to 1/),
    })
    await server.stop()
  })

  test('one that is too old is told to be upgraded', async () => {
    const server = createServer((socket) => {
      socket.write(
        'INFO {"server_id":"x","version":"2.8.4","proto":1,"headers":true,"jetstream":true,"max_payload":1048576}\r\n',
      )
      socket.on('data', (data) => {
        if (data.toString().includes('PING')) socket.write('PONG\r\n')
      })
      socket.on('error', () => undefined)
    })
    const port = await freePort()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    expect(await refusal({ servers: [`nats://127.0.0.1:${port}`] })).toMatchObject({
      message: 'nats-server is 2.8.4; Vela needs 2.9 or newer: upgrade it',
    })
    await new Promise((resolve) => server.close(resolve))
  })
})
