/** Streams: lines over time at `/`, many bytes at `/bytes?mb=10`. A slow reader slows the producer down. */
const encoder = new TextEncoder()

export default {
  fetch(request: Request): Response {
    const url = new URL(request.url)
    if (url.pathname === '/bytes') return bytes(Math.min(Number(url.searchParams.get('mb') ?? 10), 90))
    const lines = Math.min(Number(url.searchParams.get('lines') ?? 5), 100)
    return new Response(ticks(lines), { headers: { 'content-type': 'text/plain; charset=utf-8' } })
  },
}

function ticks(lines: number): ReadableStream<Uint8Array> {
  let line = 0
  return new ReadableStream({
    async pull(controller) {
      if (line === lines) return controller.close()
      if (line > 0) await new Promise((resolve) => setTimeout(resolve, 200))
      controller.enqueue(encoder.encode(`line ${++line} at ${new Date().toISOString()}\n`))
    },
  })
}

function bytes(mebibytes: number): Response {
  const chunk = new Uint8Array(65_536).fill(46)
  let left = mebibytes * 16
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left-- > 0) controller.enqueue(chunk)
      else controller.close()
    },
  })
  return new Response(body, { headers: { 'content-type': 'application/octet-stream' } })
}
