/** The guest of messages.test.ts: a behaviour for each path, and notes of what it heard, read back through a method. */
export const SERVICE: string = `
const seen = []
export const notes = () => seen.splice(0)
const note = (...what) => void seen.push(what.join(' '))
export const local = async () => {
  const [a, b] = Object.values(new WebSocketPair())
  const got = []
  const ended = new Promise((resolve) => a.addEventListener('close', resolve))
  const log = (name) => (event) => got.push([name, event.constructor.name, event.data ?? [event.code, event.reason, event.wasClean]])
  for (const [name, end] of [['a', a], ['b', b]]) { end.onmessage = log(name); end.onclose = log(name) }
  const refused = []
  for (const work of [() => a.send('early'), () => new WebSocket('wss://example.com')]) {
    try { work() } catch (error) { refused.push(error.name) }
  }
  a.accept()
  a.send('one')
  a.send('two')
  b.accept()
  b.send('three')
  await new Promise((resolve) => setTimeout(resolve, 1))
  a.close(3000, 'done')
  await ended
  for (const work of [() => a.send('late'), () => a.close(1006), () => b.close(4000, 'x'.repeat(124)), () => a.binaryType = 'x']) {
    try { work() } catch (error) { refused.push(error.name) }
  }
  return { got, refused, states: [a.readyState, b.readyState, WebSocket.OPEN], type: a.binaryType }
}
export const misuse = async () => {
  const refused = []
  const pair = new WebSocketPair()
  const used = new WebSocketPair()
  used[0].accept()
  for (const work of [
    () => new Response(null, { status: 101 }),
    () => new Response(null, { status: 200, webSocket: pair[0] }),
    () => new Response('body', { status: 101, webSocket: pair[0] }),
    () => new Response(null, { status: 101, webSocket: {} }),
    () => new Response(null, { status: 101, webSocket: pair[0] }).clone(),
    () => new Response(null, { status: 101, webSocket: pair[0] }).webSocket === pair[0] ? undefined : note('not kept'),
  ]) {
    try { work(); refused.push('') } catch (error) { refused.push(error.name) }
  }
  return refused
}
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/refuse') return new Response('not you', { status: 401, headers: { 'x-why': 'secret' } })
    if (pathname === '/throw') throw new Error('no')
    if (pathname === '/never') return await new Promise((_, reject) => request.signal.addEventListener('abort', () => {
      note('aborted')
      reject(request.signal.reason)
    }))
    const [client, server] = Object.values(new WebSocketPair())
    if (pathname === '/used') { client.accept(); return new Response(null, { status: 101, webSocket: client }) }
    server.accept()
    server.addEventListener('error', () => note('error'))
    server.addEventListener('close', (event) => {
      note('close', event.code, event.reason, event.wasClean, server.readyState)
      ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 5)).then(() => note('waited')))
    })
    const headers = {}
    if (pathname === '/echo') server.addEventListener('message', ({ data }) => server.send(data))
    if (pathname === '/sizes') server.addEventListener('message', ({ data }) => {
      server.send(typeof data === 'string' ? 'text ' + data.length : 'bytes ' + data.byteLength + ' ' + data.constructor.name)
    })
    if (pathname === '/blob') {
      server.binaryType = 'blob'
      server.addEventListener('message', async ({ data }) => server.send(data.constructor.name + ' ' + (await data.text())))
    }
    if (pathname === '/close') server.addEventListener('message', ({ data }) => {
      server.send('closing')
      server.close(...JSON.parse(data))
      note('state', server.readyState)
      try { server.send('late') } catch (error) { note(error.name) }
    })
    if (pathname === '/tasks') server.addEventListener('message', async ({ data }) => {
      note('a' + data)
      await null
      note('b' + data)
      if (data === '3') server.send('done')
    })
    if (pathname === '/greet') {
      server.send('first')
      server.send(new Uint8Array([9, 8, 7]).subarray(1))
      await new Promise((resolve) => setTimeout(resolve, 5))
      server.send('third')
      headers['x-from-guest'] = 'yes'
      headers['sec-websocket-accept'] = 'forged'
      if (searchParams.has('protocol')) headers['sec-websocket-protocol'] = searchParams.get('protocol')
    }
    if (pathname === '/context') server.addEventListener('message', () => server.send(ctx.requestId))
    return new Response(null, { status: 101, webSocket: client, headers })
  },
}
`
