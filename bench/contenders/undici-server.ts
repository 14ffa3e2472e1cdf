/** What the guest `fetch` does, by undici's own Agent in a bare Node process: the client below Vela's, and nothing else. */
import { createServer } from 'node:http'
import { Agent } from 'undici'

// As many connections as there are requests in flight, each used again.
const agent = new Agent()

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? '/', 'http://bench.local')
  run(searchParams).then(
    (right) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ right })),
    (error: unknown) => response.writeHead(500).end(String(error)),
  )
})

async function run(asked: URLSearchParams): Promise<number> {
  const target = new URL(asked.get('target') ?? '')
  const expected = asked.get('expected')
  const count = Number(asked.get('count'))
  const lanes = Number(asked.get('lanes'))
  let next = 0
  let right = 0

  const lane = async (): Promise<void> => {
    while (next < count) {
      next++
      const path = target.pathname + target.search
      const { statusCode, body } = await agent.request({ origin: target.origin, path, method: 'GET' })
      if (statusCode === 200 && (await body.text()) === expected) right++
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return right
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  process.stdout.write(`${JSON.stringify({ event: 'ready', port })}\n`)
})
