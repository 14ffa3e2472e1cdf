/** One link over a real connection, whose other end says what it likes. */
import { connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createLink, type Link } from '../../host/cluster/links/link.ts'
import { eventually } from '../actors/host-support.ts'

interface Ends {
  readonly link: Link
  readonly raw: Socket
  readonly heard: string[]
}

async function start(hear?: (head: string) => void): Promise<Ends> {
  const { promise, resolve } = Promise.withResolvers<Socket>()
  const server = createServer(resolve).listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  const raw = connect((server.address() as { port: number }).port, '127.0.0.1')
  raw.on('error', () => undefined)
  const link = createLink(await promise, { pingMs: 50, silenceMs: 60_000 })
  onTestFinished(() => {
    raw.destroy()
    link.close()
    server.close()
  })
  const heard: string[] = []
  link.start({
    message(head, payload) {
      heard.push(`${head}:${payload.toString()}`)
      hear?.(head)
    },
    over: () => heard.push('over'),
  })
  return { link, raw, heard }
}

const frame = (head: string, payload = ''): Buffer => {
  const rest = Buffer.from(`${head}\n${payload}`)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(rest.length)
  return Buffer.concat([length, rest])
}

test('messages are cut out of what is read, wherever it was torn', async () => {
  const { raw, heard } = await start()
  raw.setNoDelay(true)
  const bytes = Buffer.concat([frame('a', 'one'), frame('b'), frame('c', 'x\ny'), frame('d', 'last')])
  for (let at = 0; at < bytes.length; at += 3) {
    raw.write(bytes.subarray(at, at + 3))
    await new Promise((resolve) => setImmediate(resolve))
  }
  raw.write(Buffer.concat([frame('e'), frame('f').subarray(0, 5)]))
  await eventually(() => heard).toEqual(['a:one', 'b:', 'c:x\ny', 'd:last', 'e:'])
  raw.end()
  await eventually(() => heard.at(-1)).toBe('over')
})

test.each([
  ['a length that no message has', Buffer.from([255, 255, 255, 255, 1])],
  ['a message without a head', Buffer.from([3, 0, 0, 0, 65, 65, 65, 10])],
  ['text', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
])('%s ends the link, once', async (_what, bytes) => {
  const { raw, heard, link } = await start()
  raw.write(bytes)
  await eventually(() => heard).toEqual(['over'])
  link.close()
  link.send('a', Buffer.alloc(0))
  expect(heard).toEqual(['over'])
  expect(link.backlog).toBe(0)
})

test('a ping is answered, and one is sent now and then', async () => {
  const { raw, heard, link } = await start()
  let read = ''
  raw.on('data', (chunk: Buffer) => void (read += chunk.toString('latin1')))
  raw.write(frame('?'))
  await eventually(() => read).toContain('!\n')
  await eventually(() => read).toContain('?\n')
  link.send('a', Buffer.from('b'))
  await eventually(() => read).toContain('a\nb')
  expect(heard).toEqual([])
})

test('nothing is heard any more of a link that what it said has ended', async () => {
  const { raw, link, heard } = await start((head) => {
    if (head === 'b') link.close()
  })
  raw.write(Buffer.concat([frame('a'), frame('b'), frame('c'), frame('d')]))
  await eventually(() => heard).toContain('over')
  expect(heard).toEqual(['a:', 'b:', 'over'])
})

test('a large message on a slow way ends no link while bytes come', async () => {
  const { promise: came, resolve: come } = Promise.withResolvers<Socket>()
  const far = createServer(come).listen(0, '127.0.0.1')
  // Some 8 MB a second.
  const slow = createServer((from) => {
    const to = connect((far.address() as { port: number }).port, '127.0.0.1')
    to.on('data', (chunk: Buffer) => from.write(chunk))
    from.on('data', (chunk: Buffer) => {
      to.write(chunk)
      from.pause()
      setTimeout(() => from.resume(), chunk.length / 8000)
    })
    for (const socket of [from, to]) socket.on('error', () => undefined)
    from.on('close', () => to.destroy())
  }).listen(0, '127.0.0.1')
  await Promise.all([far, slow].map((server) => new Promise((resolve) => server.once('listening', resolve))))
  const times = { pingMs: 100, silenceMs: 1000 }
  const near = createLink(connect((slow.address() as { port: number }).port, '127.0.0.1'), times)
  const heard: string[] = []
  near.start({ message: () => undefined, over: () => heard.push('near is over') })
  near.send('first', Buffer.alloc(0))
  const other = createLink(await came, times)
  const startMs = performance.now()
  other.start({
    message: (head, { length }) => heard.push(`${head} ${length}`),
    over: () => heard.push('far is over'),
  })
  onTestFinished(() => {
    near.close()
    other.close()
    far.close()
    slow.close()
  })
  near.send('large', Buffer.alloc(24_000_000))
  await eventually(() => heard.length).toBe(2)
  expect(heard).toEqual(['first 0', 'large 24000000'])
  expect(performance.now() - startMs).toBeGreaterThan(2 * times.silenceMs)
})
