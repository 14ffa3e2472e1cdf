import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import { type Component, createLifecycle, type Lifecycle } from '../../host/core/lifecycle.ts'

const log = { debug: () => undefined, info: () => undefined, error: () => undefined }
const slow = async (): Promise<void> => {
  await once(AbortSignal.timeout(60), 'abort')
}
const never = (): Promise<void> => new Promise(() => undefined)

function lifecycleOf(components: readonly Component[], hookTimeoutMs = 5000): Lifecycle {
  const lifecycle = createLifecycle({ log }, { hookTimeoutMs })
  for (const component of components) lifecycle.add(component)
  return lifecycle
}

/** A component whose hooks write their name into `calls`. */
function recorded(
  calls: string[],
  name: string,
  dependsOn: readonly string[] = [],
  more: Partial<Component> = {},
): Component {
  const hook = (what: string) => async (): Promise<void> => {
    calls.push(`${name}.${what}`)
    await Promise.resolve()
  }
  return {
    name,
    dependsOn,
    onStart: hook('start'),
    onReady: hook('ready'),
    onDrain: hook('drain'),
    onStop: hook('stop'),
    ...more,
  }
}

const failureOf = async (promise: Promise<unknown>): Promise<VelaError> => {
  const error: unknown = await promise.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(VelaError)
  return error as VelaError
}

describe('a lifecycle', () => {
  test('starts in the order of dependencies, and drains and stops in reverse', async () => {
    const calls: string[] = []
    const states: string[] = []
    const lifecycle = lifecycleOf([
      recorded(calls, 'gateway', ['cells']),
      recorded(calls, 'cells', ['store']),
      recorded(calls, 'store'),
    ])
    lifecycle.onChange((state) => states.push(state))
    expect(lifecycle.state).toBe('new')
    await lifecycle.start()
    expect(lifecycle.state).toBe('ready')
    await lifecycle.stop()
    expect([calls.slice(0, 6).join(' '), calls.slice(6).join(' ')]).toEqual([
      'store.start cells.start gateway.start store.ready cells.ready gateway.ready',
      'gateway.drain cells.drain store.drain gateway.stop cells.stop store.stop',
    ])
    expect(states).toEqual(['starting', 'ready', 'draining', 'stopped'])
  })

  test('starts independent components at the same time', async () => {
    const { promise: met, resolve: meet } = Promise.withResolvers<void>()
    await lifecycleOf([
      { name: 'a', onStart: () => met },
      { name: 'b', onStart: () => meet() },
    ]).start()
  })

  test('accepts synchronous hooks and components without any', async () => {
    const calls: string[] = []
    const lifecycle = lifecycleOf([
      { name: 'a', onStart: () => void calls.push('a') },
      { name: 'b', dependsOn: ['a'] },
    ])
    await lifecycle.start()
    await lifecycle.stop()
    expect(calls).toEqual(['a'])
  })

  test('is started once however often it is asked', async () => {
    const calls: string[] = []
    const lifecycle = lifecycleOf([recorded(calls, 'a')])
    await Promise.all([lifecycle.start(), lifecycle.start()])
    await Promise.all([lifecycle.stop(), lifecycle.stop()])
    await lifecycle.stop()
    expect(calls).toEqual(['a.start', 'a.ready', 'a.drain', 'a.stop'])
    expect((await failureOf(lifecycle.start())).code).toBe('VELA_HOST_NOT_STARTED')
  })

  test('stopped before it started does nothing', async () => {
    const calls: string[] = []
    const lifecycle = lifecycleOf([recorded(calls, 'a')])
    await lifecycle.stop()
    expect(lifecycle.state).toBe('stopped')
    expect(calls).toEqual([])
  })
})

describe('when a start fails', () => {
  test('what was started is stopped in reverse, and what depends on the failure never starts', async () => {
    const calls: string[] = []
    const lifecycle = lifecycleOf([
      recorded(calls, 'a'),
      recorded(calls, 'b', ['a']),
      recorded(calls, 'c', ['b'], { onStart: () => Promise.reject(new Error('no disk')) }),
      recorded(calls, 'd', ['c']),
    ])
    const error = await failureOf(lifecycle.start())
    expect(error).toMatchObject({ code: 'VELA_LIFECYCLE_HOOK_FAILED', message: 'c.onStart failed: no disk' })
    expect(calls).toEqual(['a.start', 'b.start', 'c.stop', 'b.stop', 'a.stop'])
    expect(lifecycle.state).toBe('failed')
    await lifecycle.stop()
    expect(calls).toHaveLength(5)
  })

  test('all causes are told, also those of stopping', async () => {
    const error = await failureOf(
      lifecycleOf([
        { name: 'a', onStop: () => Promise.reject(new Error('stuck')), onStart: () => undefined },
        { name: 'b', dependsOn: ['a'], onStart: () => Promise.reject(new Error('first')) },
        { name: 'c', dependsOn: ['a'], onStart: () => Promise.reject(new Error('second')) },
      ]).start(),
    )
    expect(error.message).toBe('b.onStart failed: first; c.onStart failed: second; a.onStop failed: stuck')
    expect(error.details['causes']).toHaveLength(3)
    expect(error.cause).toBeInstanceOf(AggregateError)
  })

  test('a VelaError keeps its code', async () => {
    const taken = new VelaError('VELA_HOST_PORT_TAKEN', 'port 1 is taken')
    expect(await failureOf(lifecycleOf([{ name: 'a', onStart: () => Promise.reject(taken) }]).start())).toBe(
      taken,
    )
  })

  test('in getting ready, what may have taken work is drained before it is stopped', async () => {
    const calls: string[] = []
    const lifecycle = lifecycleOf([
      recorded(calls, 'a'),
      recorded(calls, 'b', ['a'], { onReady: () => Promise.reject(new Error('no')) }),
    ])
    await failureOf(lifecycle.start())
    expect(calls).toEqual(['a.start', 'b.start', 'a.ready', 'b.drain', 'a.drain', 'b.stop', 'a.stop'])
  })
})

describe('deadlines', () => {
  test('end a start that hangs, name component, hook and time, and abort its signal', async () => {
    const calls: string[] = []
    const { promise: signalled, resolve } = Promise.withResolvers<unknown>()
    const hang = (signal: AbortSignal): Promise<void> => {
      signal.addEventListener('abort', () => resolve(signal.reason))
      return never()
    }
    const error = await failureOf(
      lifecycleOf([recorded(calls, 'a'), { name: 'slow', dependsOn: ['a'], onStart: hang }], 20).start(),
    )
    expect(error).toMatchObject({
      code: 'VELA_LIFECYCLE_HOOK_TIMEOUT',
      message: 'slow.onStart did not end in 20 ms',
    })
    expect(await signalled).toBe(error)
    expect(calls).toContain('a.stop')
  })

  test('do not keep the other hooks of a stop from running', async () => {
    const calls: string[] = []
    const lifecycle = lifecycleOf(
      [
        recorded(calls, 'a'),
        recorded(calls, 'b', ['a'], {
          onDrain: never,
          onStop: () => {
            throw new Error('b')
          },
        }),
        recorded(calls, 'c', ['b'], { onStop: never }),
      ],
      20,
    )
    await lifecycle.start()
    const error = await failureOf(lifecycle.stop())
    expect(lifecycle.state).toBe('stopped')
    expect(calls.slice(-3)).toEqual(['c.drain', 'a.drain', 'a.stop'])
    expect(error.message).toBe(
      'b.onDrain did not end in 20 ms; c.onStop did not end in 20 ms; b.onStop failed: b',
    )
  })

  test('may be longer for one hook', async () => {
    await lifecycleOf([{ name: 'a', onStart: slow, timeoutMs: { onStart: 5000 } }], 10).start()
  })
})

test('a stop during the start aborts what starts, stops it, and both promises settle', async () => {
  const calls: string[] = []
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const untilAborted = async (signal: AbortSignal): Promise<void> => {
    begin()
    await once(signal, 'abort')
  }
  const lifecycle = lifecycleOf([
    recorded(calls, 'a'),
    { name: 'b', dependsOn: ['a'], onStart: untilAborted },
    recorded(calls, 'c', ['b']),
  ])
  const started = failureOf(lifecycle.start())
  await begun
  await lifecycle.stop()
  expect((await started).code).toBe('VELA_HOST_NOT_STARTED')
  expect(calls).toEqual(['a.start', 'a.stop'])
  expect(lifecycle.state).toBe('stopped')
})

describe('what cannot be ordered', () => {
  test('is a circle, printed as a path', async () => {
    const lifecycle = lifecycleOf([
      { name: 'x', dependsOn: ['a'] },
      { name: 'a', dependsOn: ['b'] },
      { name: 'b', dependsOn: ['c'] },
      { name: 'c', dependsOn: ['a'] },
    ])
    const error = await failureOf(lifecycle.start())
    expect(error.code).toBe('VELA_LIFECYCLE_CYCLE')
    expect(error.message).toContain('a → b → c → a')
    expect(lifecycle.state).toBe('failed')
    await lifecycle.stop()
  })

  test('is a dependency that nobody added, or a name used twice', async () => {
    expect((await failureOf(lifecycleOf([{ name: 'a', dependsOn: ['ghost'] }]).start())).message).toContain(
      'ghost',
    )
    expect(() => lifecycleOf([{ name: 'a' }, { name: 'a' }])).toThrow('two components named a')
  })
})
