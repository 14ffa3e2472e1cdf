/** A guest that patches everything cannot change what kind of values the kernel's hooks return. */
import { expect, test } from 'vitest'
import { createGuest } from './harness.ts'

interface Parts {
  status: number
  headers: string[]
  body: { text?: unknown }
}

/** Run before anything of the guest: what a hostile module may do to the realm it shares with the kernel. */
const PATCHES = `
  const { defineProperty, getOwnPropertyNames } = Object, Bytes = Uint8Array
  let setterCalls = 0
  const evil = function () { return { evil: true } }
  const method = { __proto__: null, value: evil, configurable: true, writable: true }
  const accessor = { __proto__: null, get: evil, set() { setterCalls++ }, configurable: true }
  for (const prototype of [String.prototype, RegExp.prototype, Map.prototype, Headers.prototype, Response.prototype]) {
    for (const name of getOwnPropertyNames(prototype)) {
      if (name !== 'constructor' && name !== 'length') defineProperty(prototype, name, method)
    }
  }
  for (const name of ['raw', 'first', 'last', 'name', 'next', 'source', 'stream', 'byteString', 'pull', 'used', 'list',
    'body', 'text', 'headers', 'lower', 'immutable', 'version', 'type', 'state', 'bytes']) {
    defineProperty(Object.prototype, name, accessor)
  }
  for (let index = 0; index < 40; index++) defineProperty(Array.prototype, index, accessor)
  for (const name of ['push', 'join', 'map', 'slice', 'concat', 'indexOf', 'keys', 'values', 'entries']) {
    defineProperty(Array.prototype, name, method)
  }
  globalThis.String = globalThis.Map = globalThis.Uint8Array = evil
  JSON.stringify = JSON.parse = Object.keys = Array.from = Reflect.apply = evil
  defineProperty(Array.prototype, Symbol.iterator, method)
`

test('patched prototypes do not reach what readResponse returns', () => {
  const guest = createGuest()
  try {
    const answer = guest.evaluate(`(() => { ${PATCHES}
      const init = { status: 201, headers: { 'Content-Type': 'a/b', 'x-a': 1 } }
      const many = { status: 200, headers: {} }
      for (let index = 0; index < 20; index++) many.headers['x-' + index] = 'v'
      const first = web.readResponse(new Response('body', init))
      const second = web.readResponse(Response.json('plain', init))
      const third = web.readResponse(new Response(new Bytes(2), many))
      let out = first.status + ' ' + first.headers.length + ' ' + setterCalls
      out += ' ' + typeof first.body.text + ' ' + first.body.text + ' ' + second.body.text
      for (let index = 0; index < 4; index++) out += ' ' + typeof first.headers[index] + ':' + first.headers[index]
      return out + ' ' + third.headers.length + ' ' + third.headers[39] + ' ' + third.body.bytes.length
    })()`)
    expect(answer).toBe(
      '201 4 0 string body "plain" string:content-type string:a/b string:x-a string:1 40 v 2',
    )
  } finally {
    guest.close()
  }
})

test('a patched realm still gets its requests', () => {
  const guest = createGuest()
  try {
    const answer = guest.evaluate(`(() => { ${PATCHES}
      const request = web.createRequest('POST', 'http://a.b/x?y', ['X-A', '1'], { byteString: '[1]', ascii: true },
        () => web.createAbort().signal)
      return request.method + ' ' + request.url + ' ' + request.signal.aborted + ' ' + new URL(request.url).pathname
    })()`)
    expect(answer).toBe('POST http://a.b/x?y false /x')
  } finally {
    guest.close()
  }
})

test('a patched prototype cannot smuggle a line break through the type of a Blob', () => {
  const guest = createGuest()
  try {
    const send = `(() => { Blob
      String.prototype.toLowerCase = () => 'a/b\\r\\nset-cookie: x=1'
      RegExp.prototype.test = () => false
      web.readResponse(new Response(new Blob(['x'], { type: 'a/b' })))
    })()`
    expect(() => guest.evaluate(send)).toThrow(/Invalid value of header content-type/)
  } finally {
    guest.close()
  }
})

test('header injection is refused wherever a header can enter', async () => {
  const guest = createGuest()
  try {
    const caught = await guest.run(() => {
      const bad = { toString: () => 'a\r\nset-cookie: x=1' } as unknown as string
      const attempts: (() => unknown)[] = [
        () => new Response('', { headers: { a: bad } }),
        () => new Response('', { headers: [['a', bad]] }),
        () => new Response('', { headers: { [String(bad)]: '1' } }),
        () => Response.json(1, { headers: { a: bad } }),
        () => new Response('').headers.append('a', bad),
        () => new Response('').headers.set(bad, '1'),
        () => new Response('', { statusText: bad }),
      ]
      return attempts.map((attempt) => {
        try {
          attempt()
          return 'let through'
        } catch (error) {
          return (error as Error).name
        }
      })
    })
    expect(caught).toEqual(Array.from({ length: 7 }, () => 'TypeError'))
    // A Blob's type is free text to its maker; as a default content type it must be a valid value still.
    expect(
      await guest.run(() => {
        const { headers } = web.readResponse(new Response(new Blob(['x'], { type: 'a\r\nb: c' }))) as Parts
        return headers
      }),
    ).toEqual([])
    expect(await guest.run(() => new Response(null, { headers: { a: '1' } }).headers.get('a'))).toBe('1')
  } finally {
    guest.close()
  }
})
