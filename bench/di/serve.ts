/** A container behind HTTP: each `/resolve?count=` puts the graph together so many times, one after the other, and counts the right ones. */
import { createServer } from 'node:http'
import type { Request } from './ours.ts'

export function serve(request: Request): void {
  const server = createServer((asked, response) => {
    const count = Number(new URL(asked.url ?? '/', 'http://bench.local').searchParams.get('count'))
    run(request, count).then(
      (right) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ right })),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    process.stdout.write(`${JSON.stringify({ event: 'ready', port })}\n`)
  })
}

async function run(request: Request, count: number): Promise<number> {
  let right = 0
  for (let done = 0; done < count; done++) if (await request()) right++
  return right
}
