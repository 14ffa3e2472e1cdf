/** Request and Response: init, bodies, copies, and what the kernel reads of them. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('a response has the defaults of the standard', async () => {
  expect(
    await guest.run(() => {
      const response = new Response('x', { status: 201, statusText: 'Made' })
      const { status, statusText, ok, type, url, redirected, bodyUsed } = response
      return [
        status,
        statusText,
        ok,
        type,
        url,
        redirected,
        bodyUsed,
        [...response.headers],
        `${response as object}`,
      ]
    }),
  ).toEqual([
    201,
    'Made',
    true,
    'default',
    '',
    false,
    false,
    [['content-type', 'text/plain;charset=UTF-8']],
    '[object Response]',
  ])
})

test.each([
  ['() => new Response("", { status: 199 })', /RangeError/],
  ['() => new Response("", { status: 600 })', /RangeError/],
  ['() => new Response("", { status: "abc" })', /RangeError/],
  ['() => new Response("x", { status: 204 })', /TypeError/],
  ['() => new Response(null, { statusText: "a\\r\\nb" })', /TypeError/],
  ['() => new Response(null, 5)', /TypeError/],
  ['() => Response.json(undefined)', /TypeError/],
  ['() => Response.json(() => 1)', /TypeError/],
  ['() => Response.redirect("http://a.b/", 200)', /RangeError/],
  ['() => Response.redirect("/relative")', /TypeError/],
  ['() => new Request("/relative")', /TypeError/],
  ['() => new Request("http://u:p@a.b/")', /TypeError/],
  ['() => new Request("http://a.b/", { method: "TRACE" })', /TypeError/],
  ['() => new Request("http://a.b/", { method: "a b" })', /TypeError/],
  ['() => new Request("http://a.b/", { body: "x" })', /TypeError/],
  ['() => new Request("http://a.b/", { signal: {} })', /TypeError/],
  ['() => new Request("http://a.b/", { redirect: "sideways" })', /TypeError/],
  ['() => new Request("http://a.b/", { method: "POST", body: new ReadableStream() })', /duplex/],
])('%s throws', async (source, error) => {
  await expect(guest.run((text) => (0, eval)(text)(), source)).rejects.toThrow(error)
})

test('Response.json and Response.redirect make what they say', async () => {
  expect(
    await guest.run(async () => {
      const json = Response.json({ a: 1 }, { status: 202, headers: { 'x-a': '1' } })
      const own = Response.json(1, { headers: { 'Content-Type': 'application/problem+json' } })
      const redirect = Response.redirect('http://a.b/c d', 307)
      return [
        [...json.headers],
        json.status,
        await json.json(),
        own.headers.get('content-type'),
        redirect.status,
        redirect.headers.get('location'),
      ]
    }),
  ).toEqual([
    [
      ['content-type', 'application/json'],
      ['x-a', '1'],
    ],
    202,
    { a: 1 },
    'application/problem+json',
    307,
    'http://a.b/c%20d',
  ])
})

test('a body is read once, in any of its forms', async () => {
  expect(
    await guest.run(async () => {
      const text = await new Response('héllo').text()
      const json = await new Response('{"a":[1]}').json()
      const bytes = [...(await new Response('é').bytes())]
      const buffer = (await new Response(new Uint8Array([1, 2, 3]).subarray(1)).arrayBuffer()).byteLength
      const blob = await new Response('x', { headers: { 'content-type': 'a/b' } }).blob()
      const marked = await new Response('\u{feff}a').text()
      const lone = await new Response('\ud800').text()
      const used = new Response('x')
      await used.text()
      const again = await used.text().catch((error: Error) => error.name)
      return [text, json, bytes, buffer, blob.type, blob.size, marked, lone, used.bodyUsed, again]
    }),
  ).toEqual(['héllo', { a: [1] }, [195, 169], 2, 'a/b', 1, 'a', '\ufffd', true, 'TypeError'])
})

test('an empty body can be read any number of times and is null', async () => {
  expect(
    await guest.run(async () => {
      const response = new Response(null)
      await response.text()
      return [await response.text(), response.body, response.bodyUsed]
    }),
  ).toEqual(['', null, false])
})

test('an incoming URL is serialised when read', async () => {
  expect(
    await guest.run(() => [
      web.createRequest('GET', 'http://a.b/x/../y z', [], null, () => null).url,
      web.createRequest('GET', 'http://a.b/ok?x=1', [], null, () => null).url,
    ]),
  ).toEqual(['http://a.b/y%20z', 'http://a.b/ok?x=1'])
})

test('a request normalises its method and keeps its attributes', async () => {
  expect(
    await guest.run(() => {
      const request = new Request(new URL('http://a.b/x'), {
        method: 'post',
        body: 'x',
        redirect: 'manual',
        keepalive: true,
      })
      const odd = new Request('http://a.b', { method: 'patch' })
      return [
        request.method,
        odd.method,
        request.redirect,
        request.keepalive,
        request.credentials,
        request.duplex,
        odd.url,
      ]
    }),
  ).toEqual(['POST', 'patch', 'manual', true, 'same-origin', 'half', 'http://a.b/'])
})

test('copying a request takes its body and follows its signal', async () => {
  expect(
    await guest.run(async () => {
      const controller = new AbortController()
      const first = new Request('http://a.b/', {
        method: 'POST',
        body: 'text',
        headers: { 'x-a': '1' },
        signal: controller.signal,
      })
      const second = new Request(first, { headers: { 'x-b': '2' } })
      const third = new Request('http://a.b/', { method: 'POST', body: 'own' })
      const fourth = new Request(third, { body: 'other' })
      controller.abort('why')
      return [
        first.bodyUsed,
        second.headers.get('x-a'),
        second.headers.get('x-b'),
        await second.text(),
        second.signal.aborted,
        second.signal.reason,
        third.bodyUsed,
        await fourth.text(),
      ]
    }),
  ).toEqual([true, null, '2', 'text', true, 'why', false, 'other'])
  await expect(
    guest.run(async () => {
      const first = new Request('http://a.b/', { method: 'POST', body: 'x' })
      await first.text()
      return new Request(first)
    }),
  ).rejects.toThrow(/TypeError/)
})
