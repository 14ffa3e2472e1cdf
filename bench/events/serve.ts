/** A server that publishes when it is asked: `count` events among `others` subscriptions, and says how many arrived rightly. */
import { createServer } from 'node:http'

export function serve(run: (count: number, others: number) => Promise<number>): void {
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://bench.local')
    run(Number(searchParams.get('count')), Number(searchParams.get('others'))).then(
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
