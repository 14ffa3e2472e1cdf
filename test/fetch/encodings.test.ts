/** Content codings: undone by the client as the reader pulls, and left alone where it does not know them. */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { asker, clientFor, codeOf, scopeFor, serve } from './support.ts'

const ask = asker(clientFor(), scopeFor())

const text = 'many words '.repeat(20_000)
const encodings: readonly [string, Buffer][] = [
  ['gzip', gzipSync(text)],
  ['X-GZip', gzipSync(text)],
  ['deflate', deflateSync(text)],
  ['deflate', deflateRawSync(text)],
  ['br', brotliCompressSync(text)],
  ['gzip, br', brotliCompressSync(gzipSync(text))],
  ['identity', Buffer.from(text)],
]
test.each(encodings)('%s is decoded, and its headers are gone', async (encoding, bytes) => {
  const server = await serve((_, response) => {
    response.writeHead(200, { 'content-encoding': encoding, 'content-length': bytes.length })
    response.end(bytes)
  })
  const answer = await ask(server.origin)
  expect(answer.text === text).toBe(true)
  if (encoding !== 'identity')
    expect([answer.header('content-encoding'), answer.header('content-length')]).toEqual([
      undefined,
      undefined,
    ])
})

test('one that is not known stays as it is, with its header', async () => {
  const server = await serve((_, response) => response.setHeader('content-encoding', 'zz').end('raw'))
  const answer = await ask(server.origin)
  expect([answer.text, answer.header('content-encoding')]).toEqual(['raw', 'zz'])
})

test('what cannot be decoded fails with a code and closes the connection', async () => {
  const server = await serve((_, response) =>
    response.setHeader('content-encoding', 'gzip').end('no gzip at all'),
  )
  expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_FAILED')
})
