/** Bodies by the Fetch Standard: what they are made of, how they are read, used, locked, cloned. */
import {
  bytes,
  ok,
  readAll,
  readText,
  rejects,
  rejectsWith,
  same,
  streamOf,
  throws,
  utf8,
  wrong,
  type Checks,
} from './expect.ts'

const typeOf = (body: BodyInit | null): string | null => new Response(body).headers.get('content-type')

export const body: Checks = {
  'Body: a string is text/plain in UTF-8': async () => {
    same(typeOf('x'), 'text/plain;charset=UTF-8')
    same(await new Response('é€😀').bytes(), utf8('é€😀'))
  },
  'Body: lone surrogates become U+FFFD': async () => same(await new Response('a\ud800b').text(), 'a\ufffdb'),
  'Body: bytes have no content type': async () => {
    same(typeOf(bytes(1)), null)
    same(typeOf(new ArrayBuffer(1)), null)
  },
  'Body: a view is its own part of the buffer': async () => {
    const whole = bytes(1, 2, 3, 4)
    same(await new Response(whole.subarray(1, 3)).bytes(), bytes(2, 3))
    same(await new Response(new DataView(whole.buffer, 2)).bytes(), bytes(3, 4))
    same(await new Response(new Uint16Array(whole.buffer, 0, 1)).bytes(), bytes(1, 2))
  },
  'Body: bytes are copied when given': async () => {
    const source = bytes(1, 2)
    const response = new Response(source)
    source[0] = 9
    same(await response.bytes(), bytes(1, 2))
  },
  'Body: URLSearchParams are a form': async () => {
    const params = new URLSearchParams({ a: 'b c' })
    same(typeOf(params), 'application/x-www-form-urlencoded;charset=UTF-8')
    same(await new Response(params).text(), 'a=b+c')
  },
  'Body: a Blob brings its type, and none when it has none': async () => {
    same(typeOf(new Blob(['x'], { type: 'text/html' })), 'text/html')
    same(typeOf(new Blob(['x'])), null)
    same(await new Response(new Blob(['x', 'y'])).text(), 'xy')
  },
  'Body: FormData is multipart with a boundary': () =>
    ok(/^multipart\/form-data; ?boundary=\S{10,70}$/.test(typeOf(new FormData()) ?? '')),
  'Body: a stream has no content type': () => same(typeOf(streamOf(bytes(1))), null),
  'Body: other values are made strings': async () => {
    same(await new Response(wrong({ toString: () => 'o' })).text(), 'o')
    same(await new Response(wrong(12)).text(), '12')
    same(await new Response(wrong([1, 2])).text(), '1,2')
  },
  'Body: a content type that was given stays': () => {
    same(new Response('x', { headers: { 'content-type': 'a/b' } }).headers.get('content-type'), 'a/b')
  },
  'Body: null and undefined are no body': async () => {
    for (const none of [null, undefined]) {
      const response = new Response(none)
      same([response.body, response.bodyUsed, await response.text()], [null, false, ''])
      same(response.bodyUsed, false)
      same((await response.arrayBuffer()).byteLength, 0)
    }
  },
  'Body: an empty string is a body': () => ok(new Response('').body instanceof ReadableStream),
  'Body: text strips a byte order mark, bytes does not': async () => {
    const marked = bytes(0xef, 0xbb, 0xbf, 0x61)
    same(await new Response(marked).text(), 'a')
    same((await new Response(marked).bytes()).length, 4)
  },
  'Body: text replaces what is malformed': async () =>
    same(await new Response(bytes(0x61, 0xff, 0x62)).text(), 'a\ufffdb'),
  'Body: json parses, ignores a byte order mark, and rejects with SyntaxError': async () => {
    same(await new Response('{"a":[1]}').json(), { a: [1] })
    same(await new Response(bytes(0xef, 0xbb, 0xbf, 0x31)).json(), 1)
    await rejects('SyntaxError', () => new Response('{').json())
    await rejects('SyntaxError', () => new Response('').json())
  },
  'Body: blob has the content type of the message': async () => {
    const blob = await new Response('x', { headers: { 'content-type': 'Text/X; a=b' } }).blob()
    same([blob.type.toLowerCase().replace(' ', ''), await blob.text()], ['text/x;a=b', 'x'])
    same((await new Response(bytes(1)).blob()).type, '')
  },
  'Body: arrayBuffer and bytes give memory of their own': async () => {
    const source = bytes(1)
    const given = await new Response(source).bytes()
    ok(given.buffer !== source.buffer)
    ok((await new Response('x').arrayBuffer()) instanceof ArrayBuffer)
  },
  'Body: reading twice rejects with TypeError and marks it used': async () => {
    const response = new Response('x')
    same(response.bodyUsed, false)
    await response.text()
    same(response.bodyUsed, true)
    for (const read of ['text', 'json', 'bytes', 'arrayBuffer', 'blob', 'formData'] as const) {
      await rejects('TypeError', () => response[read]())
    }
  },
  'Body: bodyUsed is true as soon as reading began': () => {
    const response = new Response('x')
    response.text().catch(() => undefined)
    same(response.bodyUsed, true)
  },
  'Body: a failed json uses the body all the same': async () => {
    const response = new Response('{')
    await rejects('SyntaxError', () => response.json())
    same(response.bodyUsed, true)
  },
  'Body: a locked body rejects and is not used': async () => {
    const response = new Response('x')
    const reader = response.body?.getReader()
    await rejects('TypeError', () => response.text())
    same(response.bodyUsed, false)
    reader?.releaseLock()
    same(await response.text(), 'x')
  },
  'Body: reading from the stream uses the body': async () => {
    const response = new Response('x')
    const reader = response.body?.getReader()
    await reader?.read()
    same(response.bodyUsed, true)
    reader?.releaseLock()
    await rejects('TypeError', () => response.text())
  },
  'Body: cancelling the stream uses the body': async () => {
    const response = new Response('x')
    await response.body?.cancel()
    same(response.bodyUsed, true)
  },
  'Body: the stream is the same object each time, and closed after reading': async () => {
    const response = new Response('x')
    const { body } = response
    ok(body === response.body)
    await response.text()
    ok(response.body === body)
    ok(body?.locked ?? false, 'not locked after text()')
  },
  'Body: a given stream is the body itself': () => {
    const stream = streamOf(bytes(1))
    ok(new Response(stream).body === stream)
  },
  'Body: a stream that is locked or was read is a TypeError': async () => {
    const locked = streamOf(bytes(1))
    locked.getReader()
    throws('TypeError', () => new Response(locked))
    const read = streamOf(bytes(1))
    await readAll(read)
    throws('TypeError', () => new Response(read))
  },
  'Body: chunks of a stream that are no Uint8Array reject': async () => {
    await rejects('TypeError', () => new Response(wrong(streamOf('text'))).text())
    await rejects('TypeError', () => new Response(wrong(streamOf(new ArrayBuffer(1)))).bytes())
  },
  'Body: the error of a stream comes out as it is': async () => {
    const reason = { my: 'reason' }
    const stream = new ReadableStream({ start: (controller) => controller.error(reason) })
    await rejectsWith(reason, new Response(stream).text())
  },
  'Body: text decodes characters that chunks cut in two': async () =>
    same(await new Response(streamOf(bytes(0xe2, 0x82), bytes(0xac))).text(), '€'),
  'Body: the stream gives Uint8Array': async () => {
    const chunks = await readAll(new Response('hé').body as ReadableStream<Uint8Array>)
    ok(chunks.every((chunk) => chunk instanceof Uint8Array))
    same(chunks, [utf8('hé')])
  },
  'Body: the stream of a string takes a BYOB reader': async () => {
    const reader = new Response('abc').body?.getReader({ mode: 'byob' })
    const first = await reader?.read(new Uint8Array(2))
    const second = await reader?.read(new Uint8Array(2))
    const third = await reader?.read(new Uint8Array(2))
    same([first?.value, second?.value, third?.done], [utf8('ab'), utf8('c'), true])
  },
  'Body: clone gives both the whole body': async () => {
    const response = new Response('x')
    const copy = response.clone()
    same([await response.text(), await copy.text()], ['x', 'x'])
  },
  'Body: clone of a stream tees it': async () => {
    const response = new Response(streamOf(utf8('a'), utf8('b')))
    const before = response.body
    const copy = response.clone()
    ok(response.body !== before)
    same([await readText(copy.body as ReadableStream<Uint8Array>), await response.text()], ['ab', 'ab'])
  },
  'Body: clones of bytes do not share memory': async () => {
    const response = new Response(bytes(1, 2))
    const copy = response.clone()
    const first = await response.bytes()
    first[0] = 9
    same(await copy.bytes(), bytes(1, 2))
  },
  'Body: clone after use or while locked is a TypeError': async () => {
    const used = new Response('x')
    await used.text()
    throws('TypeError', () => used.clone())
    const locked = new Response('x')
    locked.body?.getReader()
    throws('TypeError', () => locked.clone())
  },
  'Body: methods reject for another this': async () => {
    await rejects('TypeError', () => Reflect.apply(Response.prototype.text, {}, []) as unknown)
    await rejects('TypeError', () => Reflect.apply(Request.prototype.text, new Response('x'), []) as unknown)
  },
  'Body: formData without a fitting content type rejects with TypeError': async () => {
    await rejects('TypeError', () => new Response('a=b').formData())
    await rejects('TypeError', () => new Response(bytes(1)).formData())
    await rejects('TypeError', () => new Response(null).formData())
  },
  'Body: formData reads a urlencoded form': async () => {
    const form = await new Response(new URLSearchParams('a=1&b=%C3%A9&a=2')).formData()
    same(
      [...form],
      [
        ['a', '1'],
        ['b', 'é'],
        ['a', '2'],
      ],
    )
  },
}
