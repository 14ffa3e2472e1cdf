/// <reference types="@vela/guest-sdk/globals" />
/**
 * A chat: for each room an actor that holds the WebSockets of those who are in it and remembers the last lines, also
 * when the last one has left. `/` is a page for browsers.
 */
import { Actor, type ActorNamespace, type ExportedHandler } from '@vela/guest-sdk'
import page from './page.html'

interface Env {
  readonly ROOMS: ActorNamespace<Room>
}

interface Line {
  readonly at: number
  readonly from: string
  readonly text: string
}

const KEPT_LINES = 50
const NAME = /^[\p{L}\p{N}_-]{1,32}$/u

export class Room extends Actor<Env> {
  /** Somebody comes in: the lines so far, then who is there, then what happens. */
  async fetch(request: Request): Promise<Response> {
    const name = new URL(request.url).searchParams.get('name') ?? ''
    const { 0: client, 1: socket } = new WebSocketPair()
    // The tag is how the room knows later who it is.
    this.ctx.acceptWebSocket(socket, [name])
    for (const line of await this.history()) socket.send(JSON.stringify(line))
    this.#tellMembers()
    return new Response(null, { status: 101, webSocket: client })
  }

  async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (typeof message === 'string') await this.say(this.ctx.getTags(socket)[0] ?? '', message)
  }

  webSocketClose(): void {
    this.#tellMembers()
  }

  async say(from: string, text: string): Promise<void> {
    const line: Line = { at: Date.now(), from, text: text.slice(0, 500) }
    await this.ctx.storage.put('lines', [...(await this.history()), line].slice(-KEPT_LINES))
    // What an actor sends waits for its writes: nobody is shown a line that is not kept.
    this.#toAll(line)
  }

  async history(): Promise<readonly Line[]> {
    return (await this.ctx.storage.get<readonly Line[]>('lines')) ?? []
  }

  #tellMembers(): void {
    this.#toAll({ members: this.ctx.getWebSockets().flatMap((socket) => this.ctx.getTags(socket)) })
  }

  #toAll(value: unknown): void {
    const text = JSON.stringify(value)
    for (const socket of this.ctx.getWebSockets()) socket.send(text)
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/') return new Response(page, { headers: HEADERS })
    const [, room] = /^\/rooms\/([\w-]{1,32})$/.exec(pathname) ?? []
    if (room === undefined) return Response.json({ error: 'no such room' }, { status: 404 })
    const actor = env.ROOMS.get(room)
    if (request.method === 'GET' && request.headers.get('upgrade') === null)
      return Response.json({ lines: await actor.history() })
    const name = searchParams.get('name') ?? ''
    if (!NAME.test(name)) return Response.json({ error: 'say who you are: ?name=ada' }, { status: 400 })
    if (request.method === 'GET') return await actor.fetch(request)
    await actor.say(name, await request.text())
    return new Response(null, { status: 204 })
  },
} satisfies ExportedHandler<Env>

const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
}
