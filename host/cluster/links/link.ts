/**
 * One connection between two nodes, as messages: each has a head, a line of text, and a payload of any bytes. Both sides ping all the
 * time: a peer that is silent for long, as behind a cut cable, ends the link, and nothing on the way forgets one that is not in use.
 * Threat: a peer that does not keep to the format. Lengths are looked at before anything is put together, and a bad one ends the link.
 */
import type { Socket } from 'node:net'

export interface Link {
  /** Bytes that were sent and have not left yet. */
  readonly backlog: number
  /** `head` has no newline. Nothing, once the link is over. */
  send(head: string, payload: Uint8Array): void
  /** Begins to read. What came before waits in the connection. */
  start(on: LinkEvents): void
  /** What was sent before leaves, nothing after; who reads it ends the link then. */
  finish(): void
  /** Calls `over`, unless it is over already. */
  close(): void
}

export interface LinkEvents {
  /** `payload` is a view of what was read, and not used again by anybody else. */
  message(head: string, payload: Buffer): void
  /** Once. Nothing is said or heard any more. */
  over(): void
}

export interface LinkTimes {
  /** Between two pings. */
  readonly pingMs: number
  /** A link ends that was unheard for so long after something was sent. */
  readonly silenceMs: number
}

export const LINK_TIMES: LinkTimes = { pingMs: 2000, silenceMs: 8000 }

/** As the largest message between nodes, and room for its head. */
const MOST_BYTES = 64 * 1024 * 1024 + 4096
const LENGTH_BYTES = 4
const NEWLINE = 10
const PING = '?'
const PONG = '!'
const NOTHING = new Uint8Array()

export function createLink(socket: Socket, times: LinkTimes = LINK_TIMES): Link {
  let events: LinkEvents | undefined
  let outbox: Buffer[] = []
  let outboxBytes = 0
  let isOver = false
  let isFinishing = false
  /** When something was sent that nothing was heard after. */
  let unheardMs: number | undefined
  let watch: NodeJS.Timeout | undefined

  const end = (): void => {
    if (isOver) return
    isOver = true
    clearInterval(watch)
    socket.destroy()
    events?.over()
  }

  /** What is said in one turn of the event loop leaves at once, by one write. */
  const flush = (): void => {
    const all = outbox
    if (all.length === 0) return
    outbox = []
    outboxBytes = 0
    if (!isOver) socket.write(all.length === 1 ? (all[0] as Buffer) : Buffer.concat(all))
  }

  const send = (head: string, payload: Uint8Array): void => {
    if (isOver || isFinishing) return
    const headBytes = Buffer.byteLength(head) + 1
    const frame = Buffer.allocUnsafe(LENGTH_BYTES + headBytes + payload.length)
    frame.writeUInt32LE(headBytes + payload.length, 0)
    frame.write(head, LENGTH_BYTES)
    frame[LENGTH_BYTES + headBytes - 1] = NEWLINE
    frame.set(payload, LENGTH_BYTES + headBytes)
    unheardMs ??= performance.now()
    outboxBytes += frame.length
    if (outbox.push(frame) === 1) process.nextTick(flush)
  }

  const look = (): void => {
    if (unheardMs !== undefined && performance.now() - unheardMs > times.silenceMs) end()
    else send(PING, NOTHING)
  }

  const heard = (head: string, payload: Buffer): void => {
    // By what was heard just before.
    if (isOver) return
    if (head === PING) send(PONG, NOTHING)
    else if (head !== PONG) events?.message(head, payload)
  }

  const read = createReader(heard, end)
  socket.setNoDelay(true)
  socket.once('close', end)
  socket.once('end', end)
  socket.on('error', end)

  return {
    get backlog() {
      return socket.writableLength + outboxBytes
    },
    send,
    start(on) {
      events = on
      if (socket.destroyed) return end()
      watch = setInterval(look, times.pingMs).unref()
      socket.on('data', (chunk: Buffer) => {
        unheardMs = undefined
        if (!isOver) read(chunk)
      })
      socket.resume()
    },
    finish() {
      flush()
      isFinishing = true
      socket.end()
    },
    close: end,
  }
}

/** Cuts what is read into messages. */
function createReader(
  heard: (head: string, payload: Buffer) => void,
  end: () => void,
): (chunk: Buffer) => void {
  let tail: Buffer[] = []
  let tailBytes = 0
  let neededBytes = LENGTH_BYTES

  return (chunk) => {
    let bytes = chunk
    if (tailBytes > 0) {
      tail.push(chunk)
      tailBytes += chunk.length
      if (tailBytes < neededBytes) return
      bytes = Buffer.concat(tail, tailBytes)
      tail = []
      tailBytes = 0
    }
    let at = 0
    neededBytes = LENGTH_BYTES
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = bytes.readUInt32LE(at)
      if (length > MOST_BYTES) return end()
      neededBytes = LENGTH_BYTES + length
      if (bytes.length - at < neededBytes) break
      const from = at + LENGTH_BYTES
      at += neededBytes
      neededBytes = LENGTH_BYTES
      const line = bytes.indexOf(NEWLINE, from)
      if (line < 0 || line >= at) return end()
      heard(bytes.toString('latin1', from, line), bytes.subarray(line + 1, at))
    }
    if (at === bytes.length) return
    tail = [bytes.subarray(at)]
    tailBytes = bytes.length - at
  }
}
