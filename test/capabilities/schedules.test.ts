/** The scheduled handler: when it runs, for whom, one at a time, and what is said when it fails. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LogEntry } from '../../host/core/control.ts'
import { parseSchedule } from '../../host/manifest/schedule.ts'
import type { Call } from '../../host/cells/call.ts'
import { createScheduler, type Scheduler } from '../../host/services/scheduler.ts'
import type { Service } from '../../host/services/service.ts'
import { until } from '../attack/harness.ts'
import { startHost, type Host } from './support.ts'

const CRON = `
let runs = []
export default {
  async scheduled(controller, env, ctx) {
    const { cron, scheduledTime, type } = controller
    if (cron === '1 * * * *') throw new Error('it broke')
    if (cron === '2 * * * *') ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 250)).then(() => runs.push('waited')))
    if (cron === '3 * * * *') for (;;);
    controller.noRetry()
    runs.push({ cron, scheduledTime, type, name: env.NAME })
  },
  runs: () => runs,
}
`
const SCHEDULES = ['*/5 * * * *', '1 * * * *', '2 * * * *', '3 * * * *']

let host: Host
beforeAll(async () => {
  host = await startHost()
  await host.deploy('acme/cron', CRON, { schedules: SCHEDULES, vars: { NAME: 'cron' } })
})
afterAll(() => host.runtime.stop())

describe('a run', () => {
  test('gets its schedule, its time and env, and is over when its handler is', async () => {
    const run = await host.runtime.runSchedule('acme', 'cron', '*/5 * * * *')
    expect(run).toEqual({
      cron: '*/5 * * * *',
      scheduledTime: expect.any(Number),
      durationMs: expect.any(Number),
    })
    expect(run.scheduledTime % 60_000).toBe(0)
    expect(await host.invoke('acme/cron', 'runs')).toEqual([
      { cron: '*/5 * * * *', scheduledTime: run.scheduledTime, type: 'scheduled', name: 'cron' },
    ])
  })

  test('is over when what it gave to waitUntil is', async () => {
    const { durationMs } = await host.runtime.runSchedule('acme', 'cron', '2 * * * *')
    expect(durationMs).toBeGreaterThan(240)
    expect(await host.invoke('acme/cron', 'runs')).toContain('waited')
  })

  test('that throws fails, and its stack is in the log', async () => {
    const log = host.logOf('acme/cron')
    await expect(host.runtime.runSchedule('acme', 'cron', '1 * * * *')).rejects.toMatchObject({
      code: 'VELA_GUEST_THREW',
    })
    const entry = await until('it is logged', () => log.find(({ message }) => message === 'Error: it broke'))
    expect(entry).toMatchObject({ level: 'error', requestId: expect.stringMatching(/^cron-/) })
    expect(entry.stack).toMatch(/service\.js:\d+/)
  })

  test('has the limits of every turn', async () => {
    const log = host.logOf('acme/cron')
    await expect(host.runtime.runSchedule('acme', 'cron', '3 * * * *')).rejects.toMatchObject({
      code: 'VELA_TURN_EXCEEDED_CPU',
    })
    await until('it is logged', () => log.some(({ code }) => code === 'VELA_TURN_EXCEEDED_CPU'))
  })

  test('of a schedule that is not there is refused with those that are', async () => {
    await expect(host.runtime.runSchedule('acme', 'cron', '9 * * * *')).rejects.toMatchObject({
      code: 'VELA_SCHEDULE_NOT_FOUND',
      message: expect.stringContaining('"*/5 * * * *"'),
    })
    await expect(host.runtime.runSchedule('acme', 'cron')).rejects.toMatchObject({
      code: 'VELA_SCHEDULE_NOT_FOUND',
    })
    await expect(host.runtime.runSchedule('acme', 'none')).rejects.toMatchObject({
      code: 'VELA_SERVICE_NOT_FOUND',
    })
  })

  test('of a class gets an instance of its own', async () => {
    const source = `
      import { WorkerEntrypoint } from 'cloudflare:workers'
      export default class extends WorkerEntrypoint {
        scheduled(controller) { console.log(controller.cron + ' of ' + this.env.NAME) }
      }`
    await host.deploy('acme/class', source, { schedules: ['0 0 * * *'], vars: { NAME: 'class' } })
    const log = host.logOf('acme/class')
    await host.runtime.runSchedule('acme', 'class')
    await until('it is logged', () => log.some(({ message }) => message === '0 0 * * * of class'))
  })
})

describe('a deploy', () => {
  test('with schedules and no handler is refused, and says what is missing', async () => {
    const deploying = host.deploy('acme/none', 'export default { fetch() {} }', { schedules: ['* * * * *'] })
    await expect(deploying).rejects.toMatchObject({
      code: 'VELA_DEPLOY_MISSING_EXPORT',
      message: expect.stringContaining('scheduled(controller, env, ctx)'),
    })
  })

  test.each([
    ['* * * * * *', 'leave out the seconds'],
    ['* * * *', 'must have five fields'],
    ['*  * * * *', 'one space'],
    ['60 * * * *', 'cannot be read'],
    ['? * * * *', 'must not have a ?'],
    ['0 0 31 2 *', 'is never due'],
    ['@daily', 'must have five fields'],
    [`${'1,'.repeat(100)}1 * * * *`, 'longer than'],
  ])('with the schedule %j is refused: %s', async (cron, reason) => {
    await expect(host.deploy('acme/bad', CRON, { schedules: [cron] })).rejects.toMatchObject({
      code: 'VELA_DEPLOY_INVALID_MANIFEST',
      message: expect.stringContaining(reason),
    })
  })

  test('with more schedules than are allowed is refused', async () => {
    const schedules = Array.from({ length: 33 }, (_none, minute) => `${minute} * * * *`)
    await expect(host.deploy('acme/bad', CRON, { schedules })).rejects.toMatchObject({
      message: expect.stringContaining('at most 32'),
    })
  })
})

test('schedules are in UTC, and the minutes in between are none', () => {
  const { isDue } = parseSchedule('30 2 * * MON')
  const due = Date.UTC(2026, 0, 5, 2, 30)
  expect([due - 60_000, due, due + 60_000, due + 86_400_000, due + 7 * 86_400_000].map(isDue)).toEqual([
    false,
    true,
    false,
    false,
    true,
  ])
  // A clock that was set back does not lose what comes again.
  expect(isDue(due)).toBe(true)
})

describe('the clock', () => {
  const START = Date.UTC(2026, 0, 1, 0, 0, 10)
  interface Fixture {
    readonly scheduler: Scheduler
    readonly calls: { readonly cron: string; readonly call: Call }[]
    readonly notes: string[]
    readonly service: { active: { deployment: { manifest: { schedules: string[] } } } }
    readonly services: Service[]
    /** Lets the time pass, firing what is set. */
    pass(ms: number): void
  }

  /** The scheduler over one service whose calls are kept; time is a number here. */
  function fixture(...schedules: string[]): Fixture {
    let nowMs = START
    let timer: { readonly dueMs: number; readonly callback: () => void } | undefined
    const calls: Fixture['calls'] = []
    const notes: string[] = []
    const service = {
      tenant: 'acme',
      service: 'cron',
      active: versionOf(schedules),
      dispatch: (call: Call) => void calls.push({ cron: JSON.parse(call.encode(1))[3] as string, call }),
      settled: () => undefined,
      counted: <Result>(result: Promise<Result>) => result,
    }
    function versionOf(list: string[]) {
      const note = (_level: string, message: string): void => void notes.push(message)
      return { deployment: { manifest: { schedules: list } }, note, threw: () => undefined }
    }
    const services = [service as unknown as Service]
    const scheduler = createScheduler({
      catalog: {
        find: () => service as unknown as Service,
        get: () => services[0],
        values: () => services.values(),
      },
      now: () => nowMs,
      setTimer: (callback, delayMs) => {
        timer = { dueMs: nowMs + delayMs, callback }
        return () => (timer = undefined)
      },
    })
    const pass = (ms: number): void => {
      const end = nowMs + ms
      while (timer !== undefined && timer.dueMs <= end) {
        const { dueMs, callback } = timer
        nowMs = Math.max(nowMs, dueMs)
        callback()
      }
      nowMs = end
    }
    return { scheduler, calls, notes, service, services, pass }
  }

  test('fires what is due, once, with the minute it stands for', async () => {
    const { scheduler, calls, pass } = fixture('1 * * * *', '2 * * * *')
    scheduler.start()
    pass(49_000)
    expect(calls).toEqual([])
    pass(2_000)
    expect(calls.map(({ cron }) => cron)).toEqual(['1 * * * *'])
    expect(calls[0]?.call.body).toBe(`[${Date.UTC(2026, 0, 1, 0, 1)}]`)
    calls[0]?.call.value(undefined)
    await Promise.resolve()
    pass(30_000)
    expect(calls).toHaveLength(1)
    scheduler.stop()
  })

  test('skips what falls due while a run goes on, and says so', async () => {
    const { scheduler, calls, notes, pass } = fixture('* * * * *')
    scheduler.start()
    pass(180_000)
    expect([calls.length, notes.length]).toEqual([1, 2])
    expect(notes[0]).toContain('Skipped')
    await expect(scheduler.run('acme', 'cron')).rejects.toMatchObject({ code: 'VELA_SCHEDULE_RUNNING' })
    calls[0]?.call.value(undefined)
    await new Promise((resolve) => setImmediate(resolve))
    pass(60_000)
    expect(calls).toHaveLength(2)
    scheduler.stop()
  })

  test('asks the version that serves now: after a rollback or delete the schedule is gone', () => {
    const { scheduler, calls, service, services, pass } = fixture('* * * * *')
    service.active = { ...service.active, deployment: { manifest: { schedules: ['30 5 * * *'] } } }
    scheduler.start()
    pass(120_000)
    expect(calls).toEqual([])
    service.active = { ...service.active, deployment: { manifest: { schedules: ['* * * * *'] } } }
    services.length = 0
    pass(120_000)
    expect(calls).toEqual([])
    scheduler.stop()
  })

  test('does not catch up: a host that slept through an hour runs only what is due when it wakes', async () => {
    let nowMs = START
    let callback: () => void = () => undefined
    const due: number[] = []
    const service = {
      active: { deployment: { manifest: { schedules: ['*/10 * * * *'] } }, note: () => undefined },
      dispatch: (call: Call) => {
        due.push(JSON.parse(call.body)[0] as number)
        call.value(undefined)
      },
      settled: () => undefined,
      counted: <Result>(result: Promise<Result>) => result,
    } as unknown as Service
    const scheduler = createScheduler({
      catalog: { find: () => service, get: () => service, values: () => [service].values() },
      now: () => nowMs,
      setTimer: (wake) => {
        callback = wake
        return () => undefined
      },
    })
    scheduler.start()
    nowMs = Date.UTC(2026, 0, 1, 1, 10, 2)
    callback()
    expect(due).toEqual([Date.UTC(2026, 0, 1, 1, 10)])
    await new Promise((resolve) => setImmediate(resolve))
    // A timer that comes a moment early must not fire the same minute again.
    callback()
    expect(due).toHaveLength(1)
    scheduler.stop()
  })

  test('nothing becomes due once it is stopped', () => {
    const { scheduler, calls, pass } = fixture('* * * * *')
    scheduler.start()
    scheduler.stop()
    pass(300_000)
    expect(calls).toEqual([])
  })
})

test('the schedule that serves is that of the active version, after a rollback too', async () => {
  const log: LogEntry[] = host.logOf('acme/versions')
  const first = await host.deploy('acme/versions', `export default { scheduled() { console.log('one') } }`, {
    schedules: ['5 5 * * *'],
  })
  await host.deploy('acme/versions', `export default { scheduled() { console.log('two') } }`, {
    schedules: ['6 6 * * *'],
  })
  await expect(host.runtime.runSchedule('acme', 'versions', '5 5 * * *')).rejects.toMatchObject({
    code: 'VELA_SCHEDULE_NOT_FOUND',
  })
  await host.runtime.rollback('acme', 'versions', first.version)
  await host.runtime.runSchedule('acme', 'versions', '5 5 * * *')
  await until('it ran', () => log.some(({ message }) => message === 'one'))
})
