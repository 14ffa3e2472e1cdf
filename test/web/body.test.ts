/** What the kernel reads of responses, and bodies under every accessor. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('the body of an incoming request is decoded only as far as needed', async () => {
  expect(
    await guest.run(async () => {
      const make = (byteString: string, ascii: boolean): Request =>
        web.createRequest(
          'POST',
          'http://a.b/',
          [],
          { byteString, ascii },
          () => new AbortController().signal,
        )
      const json = await make('{"a":1}', true).json()
      const utf8 = await make('{"a":"\xc3\xa9"}', false).json()
      const marked = await make('\xef\xbb\xbfx', false).text()
      const broken = await make('\xff', false).text()
      const bytes = [...(await make('\xff\x00', false).bytes())]
      const bad = await make('{', true)
        .json()
        .catch((error: Error) => error.name)
      const stream = await new Response(make('abc', true).body).text()
      return [json, utf8, marked, broken, bytes, bad, stream]
    }),
  ).toEqual([{ a: 1 }, { a: 'é' }, 'x', '\ufffd', [255, 0], 'SyntaxError', 'abc'])
  expect(guest.loaded.includes('streams')).toBe(true)
})

test('a streamed request body is pulled, and its stream cancels the source', async () => {
  expect(
    await guest.run(async () => {
      const chunks = ['a', '', 'b\xc3', '\xa9']
      const log: unknown[] = []
      const source = () => {
        let next = 0
        return {
          pull: async () => {
            const chunk = chunks[next++]
            return chunk === undefined ? undefined : Uint8Array.from(chunk, (c) => c.charCodeAt(0))
          },
          cancel: (reason: unknown) => void log.push(reason),
        }
      }
      const make = (): Request => web.createRequest('POST', 'http://a.b/', [], source(), () => null)
      const whole = await make().text()
      const request = make()
      const reader = request.body!.getReader()
      const first = await reader.read()
      await reader.cancel('enough')
      return [whole, first.value!.length, request.bodyUsed, log]
    }),
  ).toEqual(['abé', 1, true, ['enough']])
})

test('clones are independent, also of streams', async () => {
  expect(
    await guest.run(async () => {
      const bytes = new Uint8Array([1, 2])
      const a = new Response(bytes)
      bytes[0] = 9
      const b = a.clone()
      const first = await a.bytes()
      first[1] = 9
      const stream = new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode('stream'))
            controller.close()
          },
        }),
      )
      const copy = stream.clone()
      const used = new Response('x')
      await used.text()
      let refused = ''
      try {
        used.clone()
      } catch (error) {
        refused = (error as Error).name
      }
      return [[...first], [...(await b.bytes())], await copy.text(), await stream.text(), refused]
    }),
  ).toEqual([[1, 9], [1, 2], 'stream', 'stream', 'TypeError'])
})

test('body, bodyUsed and locked agree', async () => {
  expect(
    await guest.run(async () => {
      const response = new Response('abc')
      const { body } = response
      const before = [response.bodyUsed, body!.locked, response.body === body]
      const reader = body!.getReader()
      const locked = [response.bodyUsed, body!.locked]
      const refused = await response.text().catch((error: Error) => error.name)
      await reader.read()
      const after = response.bodyUsed
      const text = new Response('x')
      await text.text()
      return [before, locked, refused, after, text.body!.locked, text.bodyUsed]
    }),
  ).toEqual([[false, false, true], [false, true], 'TypeError', true, true, true])
})

test('the kernel gets status, flat headers and the body in its cheapest form', async () => {
  expect(
    await guest.run(() => {
      const read = (value: unknown): unknown => web.readResponse(value)
      const passed = new Response('inner', { headers: { etag: '"1"' } })
      const cookies = new Response(null, { status: 204 })
      cookies.headers.append('Set-Cookie', 'a=1')
      cookies.headers.append('Set-Cookie', 'b=2')
      const touched = new Response('touched')
      void touched.body
      return [
        read(Response.json({ a: 1 })),
        read(cookies),
        read(new Response(passed.body, passed)),
        read(touched),
        (read(new Response(new Uint8Array([1]))) as { body: { bytes: Uint8Array } }).body.bytes.length,
        'stream' in (read(new Response(new ReadableStream())) as { body: object }).body,
        read({ status: 200 }) === undefined,
        read(null) === undefined,
        read(Object.create(Response.prototype)) === undefined,
      ]
    }),
  ).toEqual([
    { status: 200, headers: ['content-type', 'application/json'], body: { text: '{"a":1}' } },
    { status: 204, headers: ['set-cookie', 'a=1', 'set-cookie', 'b=2'], body: null },
    {
      status: 200,
      headers: ['etag', '"1"', 'content-type', 'text/plain;charset=UTF-8'],
      body: { text: 'inner' },
    },
    { status: 200, headers: ['content-type', 'text/plain;charset=UTF-8'], body: { text: 'touched' } },
    1,
    true,
    true,
    true,
    true,
  ])
})

test('a response is sent once, and an error response never', async () => {
  await expect(
    guest.run(() => {
      const response = new Response('x')
      web.readResponse(response)
      web.readResponse(response)
    }),
  ).rejects.toThrow(/TypeError: The body was read already/)
  await expect(guest.run(() => web.readResponse(Response.error()))).rejects.toThrow(/TypeError/)
})

test('subclasses work and are read as responses', async () => {
  expect(
    await guest.run(() => {
      class Mine extends Response {
        get extra(): number {
          return 1
        }
      }
      const mine = new Mine('x')
      return [mine.extra, mine instanceof Response, (web.readResponse(mine) as { status: number }).status]
    }),
  ).toEqual([1, true, 200])
})
