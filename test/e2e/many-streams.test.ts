/** Many large responses that begin at once: each is whole, and none is taken for a flood. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRuntime, type TestRuntime } from './support.ts'

const STREAMS = 120
const CHUNKS = 8
const CHUNK_BYTES = 65_536

let host: TestRuntime
beforeAll(async () => {
  host = await startRuntime()
  await host.deploy(
    's',
    `export default { fetch() {
      let left = ${CHUNKS}
      return new Response(new ReadableStream({
        pull(c) { if (left-- > 0) c.enqueue(new Uint8Array(${CHUNK_BYTES}).fill(46)); else c.close() },
      }))
    } }`,
  )
})
afterAll(async () => host[Symbol.asyncDispose]())

test('of a hundred streams that begin at once every one arrives whole', async () => {
  for (let warm = 0; warm < 5; warm++) await (await host.get('/t/s/')).arrayBuffer()
  const sizes = await Promise.all(
    Array.from({ length: STREAMS }, async () => (await (await host.get('/t/s/')).arrayBuffer()).byteLength),
  )
  expect(new Set(sizes)).toEqual(new Set([CHUNKS * CHUNK_BYTES]))
})
