// 10 MiB in 64 KiB chunks, each made when it is pulled: memory stays flat if the runtime passes backpressure on.
const CHUNKS = 160
const CHUNK_BYTES = 64 * 1024

export default {
  fetch() {
    let sent = 0
    const body = new ReadableStream({
      pull(controller) {
        if (sent++ < CHUNKS) controller.enqueue(new Uint8Array(CHUNK_BYTES).fill(120))
        else controller.close()
      },
    })
    return new Response(body, { headers: { 'content-type': 'application/octet-stream' } })
  },
}
