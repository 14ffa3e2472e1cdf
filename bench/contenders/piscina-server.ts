/** Trusted code on piscina's threads, and nothing around it: the floor under worker pools. One thread, for one core. */
import { createServer } from 'node:http'
import { Piscina } from 'piscina'

const pool = new Piscina({
  filename: new URL('../guests/workers.js', import.meta.url).href,
  minThreads: 1,
  maxThreads: 1,
})

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? '/', 'http://bench.local')
  run(searchParams).then(
    (right) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ right })),
    (error: unknown) => response.writeHead(500).end(String(error)),
  )
})

async function run(asked: URLSearchParams): Promise<number> {
  const inputs = Array.from({ length: Number(asked.get('count')) }, () => Number(asked.get('iterations')))
  const results: unknown[] = await Promise.all(inputs.map((input) => pool.run(input, { name: 'burn' })))
  return results.filter((result) => result === Number(asked.get('expected'))).length
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  process.stdout.write(`${JSON.stringify({ event: 'ready', port })}\n`)
})
