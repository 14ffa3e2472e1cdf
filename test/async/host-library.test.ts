/** What trusted code of the host has: the same library, on Node's signals and timers; and the types that services are told. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type * as sdk from '../../guest-sdk/index.ts'
import { deferred, Future, race, select, sleep, taskGroup, timeout } from '../../host/index.ts'

const closed: string[] = []
const server = createServer((request, response) => {
  response.on('close', () => closed.push(request.url ?? ''))
})
let origin = ''
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const bothArrived = async (): Promise<void> => {
  await once(server, 'request')
  await once(server, 'request')
}

test('a failure closes the sockets of the tasks it cancels', async () => {
  const group = taskGroup(async (own) => {
    const arrived = bothArrived()
    for (const path of ['/a', '/b']) own.spawn(({ signal }) => fetch(origin + path, { signal }))
    await arrived
    throw new Error('enough')
  })
  await expect(group).rejects.toThrow('enough')
  while (closed.length < 2) await new Promise((resolve) => setImmediate(resolve))
  expect(closed.sort()).toEqual(['/a', '/b'])
})

test('a signal of Node’s cancels, and a deadline is kept by its clock', async () => {
  const controller = new AbortController()
  const slept = sleep(60_000, { signal: controller.signal })
  controller.abort(new Error('awake'))
  await expect(slept).rejects.toThrow('awake')
  await expect(timeout(5, () => new Promise(() => undefined))).rejects.toMatchObject({
    code: 'VELA_TASK_TIMEOUT',
  })
  const late = taskGroup((own) => void own.spawn((task) => sleep(60_000, task)), {
    deadlineMs: Date.now() + 5,
  })
  await expect(late).rejects.toMatchObject({ name: 'TimeoutError' })
})

test('futures, races and choices work on it', async () => {
  const decided = deferred<number>()
  const future = new Future(async ({ signal }) => {
    await sleep(1, { signal })
    return 20
  }).andThen((value) => value + 1)
  decided.resolve(2)
  expect(await Future.all([future, decided.promise])).toEqual([21, 2])
  expect(await race([(task) => sleep(60_000, task).then(() => 'late'), () => 'first'])).toBe('first')
  const never = new Promise<string>(() => undefined)
  expect(await select({ never, future })).toEqual({ key: 'future', value: 21 })
})

test('services are told the types that the library has', () => {
  /** Compiles only while they fit; signals are another matter, since a guest's are its platform's. */
  const told: Pick<typeof sdk, 'deferred' | 'race' | 'select' | 'sleep' | 'taskGroup' | 'timeout'> = {
    deferred,
    race,
    select,
    sleep,
    taskGroup,
    timeout,
  }
  const future: sdk.Future<number> = new Future(() => 1)
  expect(Object.keys(told)).toHaveLength(6)
  expect(future.state).toBe('idle')
})
