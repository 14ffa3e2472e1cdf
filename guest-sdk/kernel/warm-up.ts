/**
 * Run once when the kernel's snapshot is made, in a context that is thrown away: what it touches is compiled in the
 * snapshot, so that a guest's first request need not wait for it. It does what nearly every guest does.
 */
import { BODY, FROM_GUEST, HANDLER, TO_GUEST } from './messages.ts'
import type { Bridge, GuestConfig } from './native.ts'

interface SampleRequest {
  readonly url: string
  readonly headers: { get(name: string): string | null; forEach(each: () => void): void }
  json(): Promise<unknown>
}

interface SamplePlatform {
  readonly URL: new (url: string) => {
    readonly pathname: string
    readonly searchParams: { get(name: string): string | null }
  }
  readonly Response: { new (body: string, init: object): object; json(value: unknown, init: object): object }
  readonly Headers: new (init: object) => { set(name: string, value: string): void }
  readonly crypto: { randomUUID(): string }
  readonly console: { log(...values: unknown[]): void }
}

const CONFIG: GuestConfig = {
  nowMs: 1,
  seed: '00112233445566778899aabbccddeeff',
  timers: 9,
  responseBodyBytes: 99_999,
  socketMessageBytes: 99_999,
  env: { NAME: 'value' },
  capabilities: [],
}

export function warmUp(bridge: Bridge, platform: SamplePlatform): void {
  const { URL, Response, Headers, crypto, console } = platform
  const answer = async (request: SampleRequest): Promise<object> => {
    request.headers.forEach(() => undefined)
    const headers = new Headers({ 'x-name': 'value' })
    headers.set('x-other', crypto.randomUUID())
    return Response.json({ sent: await request.json() }, { headers })
  }
  bridge.configure(JSON.stringify(CONFIG))
  bridge.register({
    default: {
      fetch(request: SampleRequest): object {
        const { pathname, searchParams } = new URL(request.url)
        console.log('warm', request.headers.get('host'), searchParams.get('q'))
        if (pathname === '/text') return new Response('text', { headers: { 'x-name': 'value' } })
        return answer(request)
      },
      add: (a: number, b: number) => a + b,
    },
  })
  bridge.describe()
  const invoke = (id: number, method: string, url: string, kind: number, size: number): unknown[] => [
    TO_GUEST.invoke,
    id,
    HANDLER.fetch,
    method,
    url,
    ['host', 'a.example'],
    kind,
    size,
    'r',
  ]
  const body = '{"a":1}'
  const messages = [
    invoke(1, 'GET', 'http://a.example/text?q=1', BODY.none, 0),
    invoke(2, 'POST', 'http://a.example/', BODY.text, body.length),
  ]
  bridge.deliver(2, `${JSON.stringify(messages)}\n${body}`)
  bridge.fire()
  // A handler that threw would have warmed next to nothing, and nobody would notice but by the clock.
  const said = bridge.collect()
  if (typeof said !== 'string' || !said.startsWith(`[[${FROM_GUEST.response},1,200,`))
    throw new Error(`The warm-up said ${String(said)}`)
}
