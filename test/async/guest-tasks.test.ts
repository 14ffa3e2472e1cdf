/** Tasks in real services: what is cancelled is aborted at the socket, and a turn that is over leaves no timer behind. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { until } from '../until.ts'

const GUEST = `
import { Future, race, select, sleep, taskGroup, timeout } from '@vela/guest-sdk'
import { WorkerEntrypoint } from 'cloudflare:workers'
const caught = async (act) => {
  try { return { value: await act() } } catch (error) { return { name: error.name, code: error.code, message: error.message } }
}
const log = []

export default class extends WorkerEntrypoint {
  /** The server never answers /silent. */
  firstFailure(origin) {
    return caught(() => taskGroup((group) => {
      for (let count = 0; count < 3; count++) group.spawn(({ signal }) => fetch(origin + '/silent', { signal }))
      group.spawn(async () => { await fetch(origin + '/three'); throw new TypeError('first') })
    }))
  }
  timedOut(origin) { return caught(() => timeout(30, ({ signal }) => fetch(origin + '/silent', { signal }))) }
  raced(origin) {
    return caught(() => race([({ signal }) => fetch(origin + '/silent', { signal }), async () => (await fetch(origin + '/three')).text()]))
  }
  retried(origin) {
    const attempt = new Future(async ({ signal }) => {
      const response = await fetch(origin + '/flaky', { signal })
      if (!response.ok) throw new Error('status ' + response.status)
      return await response.text()
    })
    return caught(() => attempt.retry({ times: 5, backoffMs: 2 }).map((text) => text.toUpperCase()))
  }
  async manyGroups(rounds) {
    for (let round = 0; round < rounds; round++) {
      await taskGroup(async (group) => {
        for (let count = 0; count < 3; count++) group.spawn(({ signal }) => sleep(60_000, { signal }))
        await sleep(0)
        group.cancel('enough')
      }, { deadlineMs: Date.now() + 60_000, signal: this.ctx.signal }).catch((reason) => { if (reason !== 'enough') throw reason })
      await select({ late: ({ signal }) => sleep(60_000, { signal }), now: Promise.resolve(round) })
      await timeout(60_000, Promise.resolve(1))
    }
    return 'done'
  }
  tooMany() { return caught(() => taskGroup((group) => { for (let count = 0; count < 20; count++) group.spawn((task) => sleep(60_000, task)) })) }
  notASignal() { return caught(() => sleep(1, { signal: {} })) }
  /** What became of turns that were cancelled. */
  heard() { return log }
  /** Whether so many timers can be set at once. */
  room(timers) {
    return taskGroup((group) => {
      for (let count = 0; count < timers; count++) group.spawn((task) => sleep(60_000, task))
      group.cancel('enough')
    }).catch((reason) => reason === 'enough' || reason.message)
  }
  async fetch(request) {
    const { ctx } = this
    if (new URL(request.url).pathname === '/same') {
      return Response.json([ctx.signal instanceof AbortSignal, ctx.signal === ctx.signal, ctx.signal.aborted])
    }
    await taskGroup((group) => {
      group.spawn(async ({ signal }) => {
        try { await fetch(request.headers.get('x-origin') + '/silent', { signal }) } catch { log.push('fetch') }
      })
      group.spawn((task) => sleep(60_000, task).catch(() => log.push('sleep')))
    }, ctx).catch((reason) => log.push(reason.code))
    return new Response('late')
  }
}
`

interface Origin {
  readonly server: Server
  readonly url: string
  readonly sockets: Set<Socket>
  /** Requests for /silent that stand open. */
  silent(): number
}

/** /silent never answers, /three answers once three of those stand open (or one, for who waits alone), /flaky fails twice. */
async function startOrigin(): Promise<Origin> {
  let waiting = 0
  let flaky = 0
  const sockets = new Set<Socket>()
  const held: (() => void)[] = []
  const server = createServer((request, response) => {
    if (request.url === '/silent') {
      waiting++
      response.on('close', () => waiting--)
      for (const answer of held.splice(0)) answer()
    } else if (request.url === '/three') {
      const answer = (): void => void (waiting >= 1 ? response.end('three') : held.push(answer))
      answer()
    } else {
      response.statusCode = ++flaky % 3 === 0 ? 200 : 500
      response.end('good')
    }
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    silent: () => waiting,
  }
}

let host: Host
let origin: Origin
beforeAll(async () => {
  origin = await startOrigin()
  host = await startHost({
    cells: { spares: 0 },
    policy: { default: { fetch: { networks: ['127.0.0.1/32'] } } },
  })
})
afterAll(async () => {
  await host.runtime.stop()
  for (const socket of origin.sockets) socket.destroy()
  origin.server.close()
})

describeEngines('tasks of a service', (engine) => {
  const at = `${engine}/tasks`
  const ask = (method: string, ...args: (string | number)[]): Promise<unknown> =>
    host.invoke(at, method, ...args)
  beforeAll(async () => {
    await host.deploy(at, GUEST, {
      engine,
      limits: { timers: 12, cpuMs: 5000 },
      capabilities: { fetch: { allow: [origin.url] } },
    })
  })

  test('that a failure cancels are aborted at the socket', async () => {
    expect(await ask('firstFailure', origin.url)).toEqual({ name: 'TypeError', message: 'first' })
    await until('the origin has nobody', () => origin.silent() === 0)
  })

  test('that are too slow, or lose a race, are aborted at the socket', async () => {
    expect(await ask('timedOut', origin.url)).toMatchObject({
      name: 'TimeoutError',
      code: 'VELA_TASK_TIMEOUT',
    })
    expect(await ask('raced', origin.url)).toEqual({ value: 'three' })
    await until('the origin has nobody', () => origin.silent() === 0)
  })

  test('are done again, with pauses, until they succeed', async () => {
    expect(await ask('retried', origin.url)).toEqual({ value: 'GOOD' })
  })

  test('leave no timer when they have ended, however many there were', async () => {
    expect(await ask('manyGroups', 50)).toBe('done')
  })

  test('count their timers for limits.timers, and the group that has too many ends with that error', async () => {
    expect(await ask('tooMany')).toMatchObject({
      name: 'RangeError',
      message: expect.stringContaining('12 timers') as string,
    })
    expect(await ask('manyGroups', 2)).toBe('done')
    expect(await ask('notASignal')).toEqual({
      name: 'TypeError',
      message: 'signal: an AbortSignal is needed',
    })
  })

  test('end with the turn whose ctx they were given: nothing of them goes on when the client has gone', async () => {
    const controller = new AbortController()
    const asked = fetch(`${host.gateway}/${at}/`, {
      signal: controller.signal,
      headers: { 'x-origin': origin.url },
    })
    await until('the origin has one', () => origin.silent() === 1)
    controller.abort()
    await expect(asked).rejects.toThrow()
    await until('the origin has nobody', () => origin.silent() === 0)
    const wanted = ['VELA_TURN_CANCELED', 'fetch', 'sleep']
    let heard: string[] = []
    await until(
      'all are heard',
      async () => (heard = (await ask('heard')) as string[]).length === wanted.length,
    )
    expect(heard.sort()).toEqual(wanted)
    expect(await ask('room', 12)).toBe(true)
    expect(await ask('room', 13)).toMatch(/12 timers/)
  })

  test('find the same signal in ctx each time', async () => {
    const answer = await fetch(`${host.gateway}/${at}/same`)
    expect(await answer.json()).toEqual([true, true, false])
  })
})
