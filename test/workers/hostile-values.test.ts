/** What a cell that was broken out of may answer to a task: nothing of it reaches the caller as a value. */
import { expect, test } from 'vitest'
import { GuestCall } from '../../host/cells/guest-call.ts'
import { createTaskCall, taskError } from '../../host/concurrency/workers/task-call.ts'
import { createTaskStats } from '../../host/concurrency/workers/task-stats.ts'

test('only a mark and one line within bounds is a value', () => {
  const values: unknown[] = []
  const errors: (string | undefined)[] = []
  const { call } = createTaskCall(
    { name: 'né', input: '1', requestId: 'r"1', depth: 1 },
    {
      value: (text, atOnce) => values.push([text, atOnce]),
      threw: ({ code }) => errors.push(code),
      failed: (code) => errors.push(code),
    },
  )
  for (const hostile of [undefined, '', '0', '2{}', 'x', '0{}\n={}', `0${'x'.repeat(1_048_577)}`])
    call.value(hostile)
  expect(values).toEqual([])
  expect(errors).toEqual([
    ...Array.from({ length: 6 }, () => 'VELA_GUEST_BAD_RESPONSE'),
    'VELA_GUEST_RESPONSE_TOO_LARGE',
  ])
  call.head(200, [], 0, '', true)
  expect(errors).toHaveLength(8)
  call.value('0{"a":1}')
  call.value(`1"${'x'.repeat(1_048_574)}"`)
  expect(values).toEqual([
    ['{"a":1}', true],
    [expect.any(String), false],
  ])
  // What goes into an ENTER frame is ASCII, and no name ends its message.
  expect(JSON.parse(call.encode(7))).toEqual([0, 7, 8, 'né', 0, 0, 1, 1, 'r"1'])
  expect(call.encode(7)).toMatch(/^[ -~]*$/)
})

test('an error of a task has its own code, or says that the guest threw', () => {
  expect(taskError({ name: 'A', message: 'b', code: 'C' })).toMatchObject({
    name: 'A',
    message: 'b',
    code: 'C',
  })
  expect(taskError({ name: 'A', message: 'b' })).toMatchObject({ code: 'VELA_GUEST_THREW' })
})

test('what is known of tasks is bounded, and one that goes on beyond its entry is remembered', () => {
  const stats = createTaskStats()
  stats.note('a', 4, true)
  stats.note('a', 8, true)
  expect([stats.averageMs('a'), stats.endsAtOnce('a'), stats.averageMs('b')]).toEqual([6, true, undefined])
  stats.note('a', 6, false)
  stats.note('a', 6, true)
  expect(stats.endsAtOnce('a')).toBe(false)
  for (let index = 0; index < 1_000; index++) stats.note(`n${index}`, 1, true)
  expect(stats.averageMs('n999')).toBe(undefined)
})

test('an answer in parts that comes when nobody waits is let go, so that nothing is held for it', () => {
  const said: string[] = []
  const call = new GuestCall({
    id: 1,
    turn: 1,
    method: 'run',
    args: [],
    body: undefined,
    streams: false,
    requestId: '',
    deadlineMs: Infinity,
    depth: 0,
    origin: { gone: false, onGone: () => () => undefined },
    say: (message) => said.push(message),
    onOver: () => undefined,
  })
  call.abort()
  let released = 0
  const end = (): Promise<IteratorReturnResult<undefined>> => {
    released++
    return Promise.resolve({ done: true, value: undefined })
  }
  call.answer({ body: { [Symbol.asyncIterator]: () => ({ next: end, return: end }) } })
  expect([released, said]).toEqual([1, []])
})
