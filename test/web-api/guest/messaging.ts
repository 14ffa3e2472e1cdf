/** MessageChannel and MessagePort by the HTML Standard. */
import { bytes, ok, same, task, throws, wrong, type Checks } from './expect.ts'

const next = (port: MessagePort): Promise<MessageEvent> =>
  new Promise((resolve) => {
    port.onmessage = resolve
  })

export const messaging: Checks = {
  'MessageChannel: has two ports that stay the same': () => {
    const channel = new MessageChannel()
    ok(channel.port1 === channel.port1 && channel.port1 !== channel.port2)
    ok(channel.port1 instanceof MessagePort && channel.port1 instanceof EventTarget)
  },
  'MessagePort: cannot be constructed': () => throws('TypeError', () => Reflect.construct(MessagePort, [])),
  'MessagePort: a message arrives as a MessageEvent, cloned': async () => {
    const { port1, port2 } = new MessageChannel()
    const sent = { a: [1, new Date(5)] }
    const coming = next(port2)
    port1.postMessage(sent)
    const event = await coming
    ok(event instanceof MessageEvent && event.data !== sent && event.target === port2)
    same([event.type, event.data, event.isTrusted, event.ports], ['message', sent, true, []])
    port1.close()
  },
  'MessagePort: messages are tasks: they come after microtasks, in order': async () => {
    const { port1, port2 } = new MessageChannel()
    const order: unknown[] = []
    port2.onmessage = (event) => order.push(event.data)
    port1.postMessage(1)
    port1.postMessage(2)
    await Promise.resolve().then(() => order.push('microtask'))
    const last = next(port2)
    port1.postMessage(3)
    await last
    same(order[0], 'microtask')
    port1.close()
  },
  'MessagePort: what came before start waits': async () => {
    const { port1, port2 } = new MessageChannel()
    const seen: unknown[] = []
    port1.postMessage('early')
    port2.addEventListener('message', (event) => seen.push(event.data))
    await task()
    same(seen, [])
    const done = new Promise((resolve) => port2.addEventListener('message', resolve))
    port2.start()
    await done
    same(seen, ['early'])
    port1.close()
  },
  'MessagePort: messages go both ways': async () => {
    const { port1, port2 } = new MessageChannel()
    port2.onmessage = (event) => port2.postMessage((event.data as number) + 1)
    const answer = next(port1)
    port1.postMessage(1)
    same((await answer).data, 2)
    port1.close()
  },
  'MessagePort: close stops both ends': async () => {
    const { port1, port2 } = new MessageChannel()
    let calls = 0
    port2.onmessage = () => calls++
    port1.close()
    port1.postMessage(1)
    port2.postMessage(1)
    await task(1)
    same(calls, 0)
  },
  'MessagePort: what cannot be cloned is a DataCloneError': () =>
    throws('DataCloneError', () => new MessageChannel().port1.postMessage(() => 1)),
  'MessagePort: transfer of an ArrayBuffer detaches it': async () => {
    const { port1, port2 } = new MessageChannel()
    const { buffer } = bytes(1, 2)
    const coming = next(port2)
    port1.postMessage(buffer, [buffer])
    same([buffer.byteLength, (await coming).data], [0, bytes(1, 2).buffer])
    port1.close()
  },
  'MessagePort: transfer as an option': async () => {
    const { port1, port2 } = new MessageChannel()
    const { buffer } = bytes(1)
    const coming = next(port2)
    port1.postMessage({ buffer }, { transfer: [buffer] })
    same([buffer.byteLength, ((await coming).data as { buffer: ArrayBuffer }).buffer.byteLength], [0, 1])
    port1.close()
  },
  'MessagePort: a port travels, with what waits in it': async () => {
    const { port1, port2 } = new MessageChannel()
    const inner = new MessageChannel()
    inner.port1.postMessage('before')
    const coming = next(port2)
    port1.postMessage('take', [inner.port2])
    const [moved] = (await coming).ports
    ok(moved instanceof MessagePort && moved !== inner.port2)
    same((await next(moved as MessagePort)).data, 'before')
    const answer = next(inner.port1)
    moved?.postMessage('back')
    same((await answer).data, 'back')
    port1.close()
    inner.port1.close()
  },
  'MessagePort: transferring itself is a DataCloneError': () => {
    const { port1 } = new MessageChannel()
    throws('DataCloneError', () => port1.postMessage(1, [port1]))
  },
  'MessagePort: onmessage starts the port, null takes the handler away': async () => {
    const { port1, port2 } = new MessageChannel()
    port2.onmessage = wrong(null)
    same(port2.onmessage, null)
    const coming = next(port2)
    port1.postMessage('x')
    same((await coming).data, 'x')
    port1.close()
  },
}
