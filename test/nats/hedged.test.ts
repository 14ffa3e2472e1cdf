/** Asking again while nobody answers: what comes first counts, what comes late is discarded, and failures are told. */
import { expect, test } from 'vitest'
import { hedged } from '../../host/nats/hedged.ts'

const never = new Promise<number>(() => undefined)

test('who gets no answer is asked again, and the answer of the second counts', async () => {
  let asked = 0
  const began = performance.now()
  const answer = await hedged(
    () => (++asked === 1 ? never : Promise.resolve(asked)),
    () => undefined,
  )
  expect(answer).toBe(2)
  expect(performance.now() - began).toBeLessThan(4000)
})

test('an answer that comes when it is too late is discarded', async () => {
  const late = Promise.withResolvers<string>()
  const discarded = Promise.withResolvers<string>()
  let asked = 0
  const answer = await hedged(
    () => (++asked === 1 ? late.promise : Promise.resolve('second')),
    (what) => discarded.resolve(what),
  )
  late.resolve('first')
  expect(answer).toBe('second')
  expect(await discarded.promise).toBe('first')
})

test('a refusal is told at once, and nobody is asked again', async () => {
  let asked = 0
  const refused = hedged(
    () => {
      asked += 1
      return Promise.reject(new Error('no such stream'))
    },
    () => undefined,
  )
  await expect(refused).rejects.toThrow('no such stream')
  expect(asked).toBe(1)
})
