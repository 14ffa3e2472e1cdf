/** What a cell says its service needs: a cell may be broken out of, so that its word is bounded before anybody acts on it. */
import { expect, test } from 'vitest'
import { readDescription } from '../../host/cells/start-outcome.ts'
import { checkNeeds } from '../../host/services/check-needs.ts'
import type { Deployment } from '../../host/registry/types.ts'

const read = (needs: unknown): unknown => readDescription({ methods: [], actors: [], needs }).needs

test('needs are read as they are said, and are none if nothing is said', () => {
  expect(read([['orders → MAIL', 'MAIL', true]])).toEqual([
    { path: 'orders → MAIL', binding: 'MAIL', hasDeadline: true },
  ])
  expect(read(undefined)).toEqual([])
})

test.each([
  ['no list', {}],
  ['a need that is none', [['a', 'B', false], null]],
  ['a path that is none', [[{}, 'B', false]]],
  ['more of them than a kernel says', Array.from({ length: 257 }, () => ['a', 'B', false])],
  ['a path that is too long', [['a'.repeat(401), 'B', false]]],
  ['a name that is too long', [['a', 'B'.repeat(401), false]]],
])('%s is a violation of the protocol', (_what, needs) => {
  expect(() => read(needs)).toThrow('A description is malformed')
})

test('the first that is missing is told, and nobody is asked about those behind it', async () => {
  const asked: string[] = []
  const lacks = (_deployment: Deployment, binding: string): Promise<string | undefined> => {
    asked.push(binding)
    return Promise.resolve(binding === 'B' ? 'is not there' : undefined)
  }
  const needs = ['A', 'B', 'C'].map((binding) => ({ path: `x → ${binding}`, binding, hasDeadline: false }))
  await expect(checkNeeds(needs, {} as Deployment, { lacks })).rejects.toMatchObject({
    code: 'VELA_DEPLOY_MISSING_DEPENDENCY',
    message: 'x → B: is not there',
    details: { path: 'x → B', binding: 'B' },
  })
  expect(asked).toEqual(['A', 'B'])
})
