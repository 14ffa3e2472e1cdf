/**
 * A bare round trip between two processes: 100 bytes to another Node process over a socket and back, and nothing else. An ask
 * across cells makes such a trip to the host, and another from there to the other cell.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer as createSocketServer, type Socket } from 'node:net'
import { serveCounts } from './counting-server.ts'

const MESSAGE = Buffer.alloc(100, 'm')
const PATH = 'echo.sock'
const IS_ECHO = process.argv[2] === 'echo'

if (IS_ECHO) {
  createSocketServer((peer) => peer.pipe(peer)).listen(PATH, () => process.send?.('listening'))
  process.on('disconnect', () => process.exit())
} else await serve()

async function serve(): Promise<void> {
  const echo = fork(new URL(import.meta.url).pathname, ['echo'])
  await once(echo, 'message')
  const peer = connect(PATH)
  await once(peer, 'connect')
  serveCounts((asked) => run(peer, Number(asked.get('count')), Number(asked.get('lanes'))))
}

/** Keeps `lanes` messages under way until `count` have come back. */
function run(peer: Socket, count: number, lanes: number): Promise<number> {
  return new Promise((resolve) => {
    let sent = 0
    let bytes = 0
    const send = (): void => {
      if (sent++ < count) peer.write(MESSAGE)
    }
    const onData = (chunk: Buffer): void => {
      const before = Math.floor(bytes / MESSAGE.length)
      bytes += chunk.length
      const back = Math.floor(bytes / MESSAGE.length)
      for (let index = before; index < back; index++) send()
      if (back < count) return
      peer.off('data', onData)
      resolve(back)
    }
    peer.on('data', onData)
    for (let lane = 0; lane < lanes; lane++) send()
  })
}
