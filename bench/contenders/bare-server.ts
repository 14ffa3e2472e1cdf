/** The floor under every runtime on Node: the same answers by node:http alone, with no guest and no isolation. */
import { createServer } from 'node:http'

const server = createServer((request, response) => {
  if (request.method === 'POST') {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => answer(JSON.parse(Buffer.concat(chunks).toString())))
    return
  }
  // The address has no query here: parsing it would be work that a bare server need not do.
  answer({ hello: request.url })

  function answer(value: unknown): void {
    const text = JSON.stringify(value)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    response.end(text)
  }
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  process.stdout.write(`${JSON.stringify({ event: 'ready', port })}\n`)
})
