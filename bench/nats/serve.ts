/** Requests to another process behind HTTP: each `/ask?count=&lanes=` makes so many, and counts the right ones. */
import { createServer } from 'node:http'

/** One request; true if the answer was right. */
export type Ask = () => Promise<boolean>

export function serve(ask: Ask): void {
  const server = createServer((asked, response) => {
    const { searchParams } = new URL(asked.url ?? '/', 'http://bench.local')
    run(ask, Number(searchParams.get('count')), Number(searchParams.get('lanes'))).then(
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

async function run(ask: Ask, count: number, lanes: number): Promise<number> {
  let left = count
  let right = 0
  const lane = async (): Promise<void> => {
    while (left-- > 0) if (await ask()) right++
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return right
}

export const TEXT: string = 'x'.repeat(100)
