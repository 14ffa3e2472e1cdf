/** MessageChannel, MessagePort and MessageEvent as HTML has them. */
import type { MessagePort as NodePort } from 'node:worker_threads'
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'
import type { GuestPort, GuestScope } from './hooks.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('messages arrive in order, as clones, after the running code and its microtasks', async () => {
  expect(
    await guest.run(async () => {
      const { MessageChannel } = globalThis as unknown as GuestScope
      const log: unknown[] = []
      const { port1, port2 } = new MessageChannel()
      const original = { list: [1, new Date(5)] }
      const done = new Promise<void>((resolve) => {
        port2.onmessage = (event) => {
          log.push(event.data, event.isTrusted, event.origin, event.ports.length)
          if (event.data === 'last') resolve()
        }
      })
      port1.postMessage(original)
      original.list.push(2)
      port1.postMessage('last')
      log.push('posted')
      await Promise.resolve()
      log.push('microtask')
      await done
      return log
    }),
  ).toEqual([
    'posted',
    'microtask',
    { list: [1, '1970-01-01T00:00:00.005Z'] },
    true,
    '',
    0,
    'last',
    true,
    '',
    0,
  ])
})

test('a port waits to be started, and forgets when it is closed', async () => {
  expect(
    await guest.run(async () => {
      const { MessageChannel } = globalThis as unknown as GuestScope
      const log: unknown[] = []
      const next = (): Promise<void> =>
        new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel()
          port2.onmessage = () => resolve()
          port1.postMessage(0)
        })
      const { port1, port2 } = new MessageChannel()
      port2.addEventListener('message', (event) => log.push((event as MessageEvent).data))
      port1.postMessage('early')
      await next()
      log.push('still waiting')
      port2.start()
      await next()
      port2.addEventListener('close', () => log.push('close at 2'))
      port1.addEventListener('close', () => log.push('close at 1'))
      port1.postMessage('before the close')
      port1.close()
      port1.close()
      port1.postMessage('after it')
      port2.postMessage('to nobody')
      await next()
      return log
    }),
  ).toEqual(['still waiting', 'early', 'before the close', 'close at 2'])
})

test('a port and its waiting messages can be transferred, buffers are detached', async () => {
  expect(
    await guest.run(async () => {
      const { MessageChannel } = globalThis as unknown as GuestScope
      const outer = new MessageChannel()
      const inner = new MessageChannel()
      const buffer = new ArrayBuffer(4)
      inner.port1.postMessage('waiting')
      const arrived = new Promise<MessageEvent>((resolve) => {
        outer.port2.onmessage = resolve
      })
      outer.port1.postMessage({ port: inner.port2, buffer }, [inner.port2, buffer])
      const event = await arrived
      const { port, buffer: copy } = event.data as { port: GuestPort; buffer: ArrayBuffer }
      inner.port1.postMessage('later')
      const got: unknown[] = []
      await new Promise<void>((resolve) => {
        port.onmessage = ({ data }) => {
          got.push(data)
          if (got.length === 2) resolve()
        }
      })
      const answer = new Promise((resolve) => {
        inner.port1.onmessage = ({ data }) => resolve(data)
      })
      port.postMessage('back')
      return [
        got,
        event.ports.length === 1 && (event.ports[0] as unknown) === port,
        Object.isFrozen(event.ports),
        port !== inner.port2,
        copy.byteLength,
        buffer.byteLength,
        await answer,
      ]
    }),
  ).toEqual([['waiting', 'later'], true, true, true, 4, 0, 'back'])
})

test('what cannot be posted is refused, and then nothing has moved', async () => {
  expect(
    await guest.run(() => {
      const { MessageChannel } = globalThis as unknown as GuestScope
      const attempt = (fn: () => unknown): string => {
        try {
          fn()
          return 'fine'
        } catch (error) {
          return (error as Error).name
        }
      }
      const { port1, port2 } = new MessageChannel()
      const moved = new MessageChannel().port1
      structuredClone(moved, { transfer: [moved as never] })
      const buffer = new ArrayBuffer(4)
      const other = new MessageChannel().port1
      const Loose = MessagePort as unknown as new () => GuestPort
      const post = (port: object, ...args: unknown[]): unknown =>
        Reflect.apply(Reflect.get(port1, 'postMessage') as () => unknown, port, args)
      return [
        attempt(() => port1.postMessage(port2)),
        attempt(() => port1.postMessage(0, [port1])),
        attempt(() => port1.postMessage(0, [moved])),
        attempt(() => port1.postMessage(() => 0, [buffer, other])),
        buffer.byteLength,
        attempt(() => port1.postMessage(other, { transfer: [other] })),
        attempt(() => port1.postMessage(0, [other])),
        attempt(() => port1.postMessage(0, [new ReadableStream()] as never)),
        attempt(() => port1.postMessage(0, 5 as never)),
        attempt(() => port1.postMessage(0, [5] as never)),
        attempt(() => post(port1)),
        attempt(() => post({}, 0)),
        attempt(() => new Loose()),
        attempt(() => new MessageEvent('x', { ports: [{}] as never })),
      ]
    }),
  ).toEqual([
    'DataCloneError',
    'DataCloneError',
    'DataCloneError',
    'DataCloneError',
    4,
    'fine',
    'DataCloneError',
    'DataCloneError',
    'TypeError',
    'TypeError',
    'TypeError',
    'TypeError',
    'TypeError',
    'TypeError',
  ])
})

test('a MessageEvent has what it was made with', async () => {
  expect(
    await guest.run(() => {
      const { MessageChannel } = globalThis as unknown as GuestScope
      const port = new MessageChannel().port1 as unknown as NodePort
      const event = new MessageEvent('m', {
        data: 1,
        origin: 'o',
        lastEventId: 'i',
        source: port,
        ports: [port],
        cancelable: true,
      })
      const plain = new MessageEvent('m')
      const later = new MessageEvent('m')
      later.initMessageEvent('n', true, true, 5, 'p', 'j', null, [port])
      return [
        [
          event.type,
          event.data,
          event.origin,
          event.lastEventId,
          event.source === port,
          (event.ports[0] as unknown) === port,
        ],
        [event.cancelable, event.isTrusted, event instanceof Event, String(event)],
        [plain.data, plain.origin, plain.source, plain.ports.length],
        [later.type, later.bubbles, later.data, later.origin, later.lastEventId, later.ports.length],
      ]
    }),
  ).toEqual([
    ['m', 1, 'o', 'i', true, true],
    [true, false, true, '[object MessageEvent]'],
    [null, '', null, 0],
    ['n', true, 5, 'p', 'j', 1],
  ])
})

test('an error in a handler of messages is reported and stops nothing', async () => {
  await guest.run(
    () =>
      new Promise<void>((resolve) => {
        const { port1, port2 } = new (globalThis as unknown as GuestScope).MessageChannel()
        port2.onmessage = ({ data }) => {
          if (data === 2) return resolve()
          throw new Error('in a port')
        }
        port1.postMessage(1)
        port1.postMessage(2)
      }),
  )
  expect(guest.reported).toContain('Error: in a port')
})
