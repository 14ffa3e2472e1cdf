/** A contender behind HTTP: each request has it do something so many times, and is answered with how often that was right. */
import { createServer } from 'node:http'

/** `run` gets the request's query. */
export function serveCounts(run: (asked: URLSearchParams) => Promise<number>): void {
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://bench.local')
    run(searchParams).then(
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
