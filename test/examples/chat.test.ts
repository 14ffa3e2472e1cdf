/** The chat room: who is in it sees what is said, in one order, and who comes later sees what was. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { openSocket, refusal, type Client } from '../websocket/client.ts'
import { startExample, type ExampleHost } from './support.ts'

interface Line {
  readonly at: number
  readonly from: string
  readonly text: string
}
type Told = Line | { readonly members: readonly string[] }

describeEngines('the chat', (engine) => {
  let host: ExampleHost
  beforeAll(async () => {
    host = await startExample('chat', { engine })
  })
  afterAll(() => host[Symbol.asyncDispose]())

  const inside: Client[] = []
  const enter = async (room: string, name: string): Promise<Client> => {
    const client = await openSocket(host.gateway, `/demo/chat/rooms/${room}?name=${name}`)
    inside.push(client)
    return client
  }
  afterEach(async () => {
    for (const { socket, closed } of inside.splice(0)) {
      socket.close()
      await closed
    }
  })
  const told = async (client: Client): Promise<Told> => JSON.parse(String(await client.next())) as Told
  /** The next line that somebody said. */
  const heard = async (client: Client): Promise<string> => {
    const next = await told(client)
    return 'members' in next ? await heard(client) : `${next.from}: ${next.text}`
  }
  const membersFor = async (client: Client): Promise<readonly string[]> => {
    const next = await told(client)
    return 'members' in next ? next.members : await membersFor(client)
  }

  test('shows everybody what is said, whoever said it, in one order', async () => {
    const ada = await enter('tea', 'ada')
    const bob = await enter('tea', 'bob')
    for (let at = 0; at < 20; at++) {
      ada.socket.send(`a${at}`)
      bob.socket.send(`b${at}`)
    }
    const seen = { ada: [] as string[], bob: [] as string[] }
    for (let at = 0; at < 40; at++) {
      seen.ada.push(await heard(ada))
      seen.bob.push(await heard(bob))
    }
    expect(seen.ada).toEqual(seen.bob)
    for (const name of ['ada', 'bob'])
      expect(seen.ada.filter((line) => line.startsWith(name))).toEqual(
        Array.from({ length: 20 }, (_, at) => `${name}: ${name[0]}${at}`),
      )
  })

  test('says who is there, as they come and go', async () => {
    const ada = await enter('hall', 'ada')
    expect(await membersFor(ada)).toEqual(['ada'])
    const bob = await enter('hall', 'bob')
    expect(await membersFor(ada)).toEqual(['ada', 'bob'])
    bob.socket.close()
    expect(await membersFor(ada)).toEqual(['ada'])
  })

  test('shows who comes later what was said, though nobody was there any more', async () => {
    const ada = await enter('attic', 'ada')
    ada.socket.send('is anybody here?')
    expect(await heard(ada)).toBe('ada: is anybody here?')
    ada.socket.close()
    await ada.closed
    const bob = await enter('attic', 'bob')
    expect(await heard(bob)).toBe('ada: is anybody here?')
  })

  test('keeps the last fifty lines, and takes them by HTTP too', async () => {
    const ada = await enter('log', 'ada')
    for (let at = 0; at < 55; at++) await host.post('/rooms/log?name=bot', `line ${at}`)
    expect(await heard(ada)).toBe('bot: line 0')
    const { lines } = (await host.get('/rooms/log')).body as { lines: readonly Line[] }
    expect(lines.map(({ text }) => text)).toEqual(Array.from({ length: 50 }, (_, at) => `line ${at + 5}`))
  })

  test('keeps rooms apart', async () => {
    const ada = await enter('left', 'ada')
    await host.post('/rooms/right?name=eve', 'psst')
    await host.post('/rooms/left?name=bob', 'hello')
    expect(await heard(ada)).toBe('bob: hello')
  })

  test('wants to know who comes, and where to', async () => {
    expect((await refusal(host.gateway, '/demo/chat/rooms/tea')).status).toBe(400)
    expect((await host.post('/rooms/tea?name=%3Cb%3E', 'x')).status).toBe(400)
    expect((await refusal(host.gateway, '/demo/chat/rooms/a%20b?name=ada')).status).toBe(404)
  })

  test('has a page that takes nothing from elsewhere', async () => {
    const { status, headers, body } = await host.get('/')
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(body).toContain('new WebSocket(url)')
    expect(body).not.toMatch(/https?:\/\/|innerHTML/)
  })
})
