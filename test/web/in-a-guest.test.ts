/** What needs the kernel, a cell and the host around the platform: tasks, uncaught errors and rejections, compression. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LogEntry } from '../../host/core/control.ts'
import { startRuntime, until, type TestRuntime } from '../e2e/support.ts'

const GUEST = `
const actions = {
  async channel() {
    const log = []
    const { port1, port2 } = new MessageChannel()
    const done = new Promise((resolve) => { port2.onmessage = ({ data }) => { log.push(data); resolve() } })
    // Posted by a microtask: the entry that delivers the request has been left by then.
    await null
    Promise.resolve().then(() => port1.postMessage('message')).then(() => log.push('microtask'))
    await done
    return log
  },
  many() {
    const { port1, port2 } = new MessageChannel()
    let count = 0
    return new Promise((resolve) => {
      port1.onmessage = () => ++count === 3000 ? resolve(count) : port1.postMessage(0)
      port2.onmessage = () => port2.postMessage(0)
      port1.postMessage(0)
    })
  },
  forever() {
    const { port1, port2 } = new MessageChannel()
    return new Promise((resolve) => {
      port1.onmessage = () => globalThis.stopped ? resolve('stopped') : port1.postMessage(0)
      port2.onmessage = () => port2.postMessage(0)
      port1.postMessage(0)
    })
  },
  stop: () => (globalThis.stopped = true),
  async rejections() {
    const log = []
    onunhandledrejection = (event) => {
      const { reason } = event
      log.push([reason instanceof RangeError, String(reason), String(reason?.stack).includes('service.js')])
      event.preventDefault()
    }
    const soon = () => new Promise((resolve) => setTimeout(resolve, 1))
    Promise.reject(new RangeError('deal with it'))
    await soon()
    Promise.reject('text')
    await soon()
    Promise.reject({ secret: 1 })
    await soon()
    const late = Promise.reject(new Error('handled within the microtasks'))
    await null
    late.catch(() => 0)
    await soon()
    onunhandledrejection = () => { Promise.reject(new Error('rejected by the listener')) }
    Promise.reject(new Error('left to the log'))
    await soon()
    onunhandledrejection = null
    Promise.reject({ unheard: 1 })
    await soon()
    return log
  },
  async uncaught() {
    const log = []
    onerror = (message, file, line, column, error) => { log.push(message, file, line > 0, error.message); return true }
    setTimeout(() => { throw new TypeError('of a timer') }, 1)
    await new Promise((resolve) => setTimeout(resolve, 2))
    onerror = null
    setTimeout(() => { throw new TypeError('unheard') }, 1)
    await new Promise((resolve) => setTimeout(resolve, 2))
    return log
  },
  refused: () => [new Headers(), new URL('http://a.b'), new Response('x').body].map((value) => {
    try { return structuredClone(value) } catch (error) { return error.name }
  }),
  pack: () => new Response(new Blob(['hello '.repeat(50_000)]).stream().pipeThrough(new CompressionStream('gzip'))),
  unpack: (request) => new Response(request.body.pipeThrough(new DecompressionStream('gzip'))),
}
export default {
  async fetch(request) {
    const result = await actions[new URL(request.url).pathname.slice(1)](request)
    return result instanceof Response ? result : Response.json(result)
  },
}`

let host: TestRuntime
const log: LogEntry[] = []
beforeAll(async () => {
  host = await startRuntime()
  await host.deploy('web', GUEST)
  host.runtime.tail('t', 'web', (entry) => log.push(entry))
})
afterAll(() => host[Symbol.asyncDispose]())

const ask = async (action: string): Promise<unknown> => (await host.get(`/t/web/${action}`)).json()
const said = (text: string): boolean => log.some(({ message }) => message.includes(text))

test('a message is delivered after the microtasks, also when one of them posted it', async () => {
  expect(await ask('channel')).toEqual(['microtask', 'message'])
  expect(await ask('many')).toBe(3000)
})

test('ports that answer each other for ever leave room for other requests', async () => {
  const forever = ask('forever')
  expect(await ask('stop')).toBe(true)
  expect(await forever).toBe('stopped')
})

test('a guest hears of rejections that it left, and keeps those out of its log that it deals with', async () => {
  expect(await ask('rejections')).toEqual([
    [true, 'RangeError: deal with it', true],
    [false, 'text', false],
    [false, 'Error: Thrown value is no Error: an object or symbol', false],
  ])
  await until('the log has them', () => said('an object or symbol'))
  expect(said('left to the log')).toBe(true)
  expect(said('deal with it')).toBe(false)
  expect(said('handled within')).toBe(false)
  expect(said('isolated-vm')).toBe(false)
})

test('an uncaught error of a timer is an event, and a line of the log if nobody cancels it', async () => {
  expect(await ask('uncaught')).toEqual(['Uncaught TypeError: of a timer', 'service.js', true, 'of a timer'])
  await until('the log has it', () => said('unheard'))
  expect(said('of a timer')).toBe(false)
})

test('an isolate made from the snapshot knows the platform’s objects', async () => {
  expect(await ask('refused')).toEqual(['DataCloneError', 'DataCloneError', 'DataCloneError'])
})

test('bodies are packed and unpacked as they flow', async () => {
  const packed = Buffer.from(await (await host.get('/t/web/pack')).arrayBuffer())
  expect(gunzipSync(packed).toString()).toBe('hello '.repeat(50_000))
  const body = gzipSync(Buffer.alloc(3_000_000, 'abc'))
  const answer = await host.get('/t/web/unpack', { method: 'POST', body })
  expect((await answer.arrayBuffer()).byteLength).toBe(3_000_000)
})
