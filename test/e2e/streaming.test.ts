/** Bodies in both directions as streams: bounded memory, backpressure, aborts and deadlines. */
import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cellMb, residentMb, startRuntime, until, type TestRuntime } from './support.ts'

const MB = 1024 * 1024

/** What the guest notes about itself is read back through a method. */
const SERVICE = `
const seen = []
const note = (what) => { seen.push(what) }
const chunk = new Uint8Array(65536).fill(46)
export const notes = () => seen.splice(0)
export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url)
    request.signal.addEventListener('abort', () => note('signal ' + request.signal.reason.code))
    if (pathname === '/count') {
      let bytes = 0
      for await (const part of request.body) {
        bytes += part.length
        if (searchParams.has('slow') && bytes % 7 === 0) await new Promise((r) => setTimeout(r, 1))
      }
      return Response.json({ bytes })
    }
    if (pathname === '/collect') {
      try {
        const body = await request.arrayBuffer()
        return new Response(body)
      } catch (error) {
        note('body ' + error.name)
        throw error
      }
    }
    if (pathname === '/echo') return new Response(request.body)
    if (pathname === '/never') {
      return await new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason)))
    }
    if (pathname === '/ignore') return new Response('not read')
    let left = Number(searchParams.get('mb')) * 16
    return new Response(new ReadableStream({
      pull(controller) {
        if (left-- > 0) controller.enqueue(chunk)
        else controller.close()
      },
      cancel(reason) { note('cancel ' + reason.code) },
    }))
  },
}
`

let host: TestRuntime
beforeAll(async () => {
  host = await startRuntime()
  await host.deploy('s', SERVICE, {
    manifest: { limits: { requestBodyBytes: 64 * MB, cpuMs: 2000, responseBodyBytes: 512 * MB } },
  })
  await host.deploy('short', SERVICE, { manifest: { limits: { wallMs: 300 } } })
  await host.deploy('ten', SERVICE, { manifest: { limits: { requestBodyBytes: 10 * MB, cpuMs: 2000 } } })
  await (await host.get('/t/s/?mb=0')).text()
})
afterAll(async () => host[Symbol.asyncDispose]())

const notes = async (service = 's'): Promise<unknown> => host.runtime.invoke(`t/${service}`, 'notes')

/** node:http, because fetch reads ahead and hides what the socket does. */
function open(path: string, method = 'GET', headers: Record<string, string> = {}): ClientRequest {
  return httpRequest(`${host.urls.gateway}${path}`, { method, headers, agent: false })
}

async function responseOf(request: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response
}

async function write(request: ClientRequest, part: Uint8Array): Promise<void> {
  if (!request.write(part)) await once(request, 'drain')
}

describe('a request body', () => {
  test('of 20 MB arrives whole, and waits in the client while a slow service reads', async () => {
    const request = open('/t/s/count?slow', 'POST', { 'content-length': String(20 * MB) })
    const answered = responseOf(request)
    const before = residentMb(process.pid)
    const part = randomBytes(MB)
    let most = 0
    for (let sent = 0; sent < 20; sent++) {
      await write(request, part)
      most = Math.max(most, residentMb(process.pid) - before)
    }
    request.end()
    const response = await answered
    expect(JSON.parse((await response.toArray()).join(''))).toEqual({ bytes: 20 * MB })
    expect(most).toBeLessThan(64)
    await host.settled()
  })

  test('is echoed byte for byte while it is still being sent', async () => {
    const request = open('/t/s/echo', 'POST')
    const first = randomBytes(10_000)
    request.write(first)
    const response = await responseOf(request)
    const received = createHash('sha256')
    const sent = createHash('sha256').update(first)
    response.on('data', (chunk: Buffer) => received.update(chunk))
    for (let index = 0; index < 40; index++) {
      const part = randomBytes(100_000)
      sent.update(part)
      await write(request, part)
    }
    request.end()
    await once(response, 'end')
    expect(received.digest('hex')).toBe(sent.digest('hex'))
    await host.settled()
  })

  test('that the service does not read leaves the connection usable or closed, and the answer whole', async () => {
    const body = new Uint8Array(5 * MB)
    const response = await host.get('/t/s/ignore', { method: 'POST', body })
    expect(await response.text()).toBe('not read')
    expect(await (await host.get('/t/s/ignore')).text()).toBe('not read')
    await host.settled()
  })

  test('over the limit is refused with 413, whether its length was said or not', async () => {
    const said = open('/t/ten/collect', 'POST', { 'content-length': String(11 * MB) })
    said.flushHeaders()
    const refused = await responseOf(said)
    expect(refused.statusCode).toBe(413)
    said.destroy()
    const unsaid = open('/t/ten/count', 'POST')
    unsaid.on('error', () => undefined)
    const answered = responseOf(unsaid)
    const part = new Uint8Array(MB)
    for (let sent = 0; sent < 11 && !unsaid.destroyed; sent++) {
      await Promise.race([write(unsaid, part), answered])
    }
    const response = await answered
    expect(response.statusCode).toBe(413)
    expect((await response.toArray()).join('')).toContain('VELA_GATEWAY_BODY_TOO_LARGE')
    unsaid.destroy()
    await host.settled()
  })

  test('that breaks off fails the read in the guest, and the signal fires', async () => {
    await notes()
    const request = open('/t/s/collect', 'POST', { 'content-length': String(5 * MB) })
    request.on('error', () => undefined)
    await write(request, new Uint8Array(MB))
    await until('the turn is in flight', async () =>
      (await host.runtime.services('t')).some((one) => one.inFlight > 0),
    )
    request.destroy()
    await host.settled()
    expect(await notes()).toEqual(expect.arrayContaining(['signal VELA_TURN_CANCELED', 'body TypeError']))
  })
})

describe('a response body', () => {
  test('of 160 MB to a slow reader leaves host and cell small, and arrives whole', async () => {
    const response = await responseOf(open('/t/s/?mb=160').end())
    const before = residentMb(process.pid)
    const cellBefore = cellMb()
    let bytes = 0
    let lookAt = 0
    let mostHost = 0
    let mostCell = 0
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length
      if (bytes < lookAt) continue
      lookAt += 10 * MB
      // Time for the other side to run ahead, if anything lets it.
      await new Promise((resolve) => setTimeout(resolve, 20))
      mostHost = Math.max(mostHost, residentMb(process.pid) - before)
      mostCell = Math.max(mostCell, cellMb() - cellBefore)
    }
    expect(bytes).toBe(160 * MB)
    expect(mostHost).toBeLessThan(64)
    expect(mostCell).toBeLessThan(100)
    await host.settled()
  })

  test('to a reader that stops reading stops the producer, and ends when the reader leaves', async () => {
    await notes()
    const response = await responseOf(open('/t/s/?mb=400').end())
    await once(response, 'readable')
    response.pause()
    const before = residentMb(process.pid)
    // Other requests go on meanwhile, so the cell is not held up by the stalled one.
    for (let index = 0; index < 20; index++) expect((await host.get('/t/s/ignore')).status).toBe(200)
    expect(residentMb(process.pid) - before).toBeLessThan(64)
    response.destroy()
    await host.settled()
    expect(await notes()).toEqual(
      expect.arrayContaining(['cancel VELA_TURN_CANCELED', 'signal VELA_TURN_CANCELED']),
    )
  })
})

describe('a turn that nobody waits for', () => {
  test('a client that leaves before the answer cancels it', async () => {
    await notes()
    const controller = new AbortController()
    const answer = host.get('/t/s/never', { signal: controller.signal })
    await until('the turn is in flight', async () =>
      (await host.runtime.services('t')).some((one) => one.inFlight > 0),
    )
    controller.abort()
    await expect(answer).rejects.toThrow()
    await host.settled()
    expect(await notes()).toEqual(['signal VELA_TURN_CANCELED'])
  })

  test('a deadline answers 504, tells the guest, and frees the turn', async () => {
    const response = await host.get('/t/short/never')
    expect(response.status).toBe(504)
    expect(await response.json()).toMatchObject({ code: 'VELA_TURN_EXCEEDED_WALL' })
    await host.settled()
    expect(await notes('short')).toEqual(['signal VELA_TURN_EXCEEDED_WALL'])
  })

  test('a deadline in the middle of a response cuts the connection, so that the client sees it is not whole', async () => {
    const response = await responseOf(open('/t/short/?mb=90').end())
    response.pause()
    await host.settled()
    const failed = once(response, 'error') as Promise<[Error]>
    response.resume()
    expect((await failed)[0].message).toBe('aborted')
    expect(await notes('short')).toEqual(
      expect.arrayContaining(['cancel VELA_TURN_EXCEEDED_WALL', 'signal VELA_TURN_EXCEEDED_WALL']),
    )
  })
})
