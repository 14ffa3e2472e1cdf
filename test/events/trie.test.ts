import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matches } from '../../guest-sdk/events/subject.ts'
import { createSubjectTrie } from '../../guest-sdk/events/trie.ts'

const narrow = fc.constantFrom('a', 'b', 'c')
const subject = fc.array(narrow, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
const pattern = fc
  .tuple(fc.array(fc.oneof(narrow, fc.constant('*')), { maxLength: 4 }), fc.boolean())
  .filter(([tokens, rest]) => tokens.length > 0 || rest)
  .map(([tokens, rest]) => [...tokens, ...(rest ? ['>'] : [])].join('.'))

test('finds what a naive matcher finds, whatever is added, removed and asked for in between', () => {
  const step = fc.oneof(
    fc.record({ add: pattern }),
    fc.record({ remove: fc.nat(20) }),
    fc.record({ ask: subject }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      // A small bound, so that what is kept is dropped now and then.
      const trie = createSubjectTrie<number, readonly number[]>({ plan: (items) => items, keep: 6 })
      const there = new Map<number, { readonly pattern: string; readonly remove: () => void }>()
      let next = 0
      for (const one of steps) {
        if ('add' in one) {
          const item = next++
          there.set(item, { pattern: one.add, remove: trie.add(one.add, item) })
        } else if ('remove' in one) {
          const item = [...there.keys()][one.remove]
          if (item === undefined) continue
          there.get(item)?.remove()
          there.get(item)?.remove()
          there.delete(item)
        } else {
          const expected = [...there]
            .filter(([, entry]) => matches(entry.pattern, one.ask))
            .map(([item]) => item)
          expect([...(trie.match(one.ask) as number[])].sort((x, y) => x - y)).toEqual(expected)
        }
        expect(trie.size).toBe(there.size)
      }
    }),
    { numRuns: 500 },
  )
})

test('an item may be there twice, and goes once for each time it is removed', () => {
  const trie = createSubjectTrie<string>()
  const first = trie.add('a', 'x')
  const second = trie.add('a', 'x')
  expect(trie.match('a')).toEqual(['x', 'x'])
  first()
  first()
  expect(trie.match('a')).toEqual(['x'])
  second()
  expect(trie.match('a')).toEqual([])
})

test('what was found is kept for a subject that comes again, and a flood of other subjects neither grows it nor pushes that one out', () => {
  const planned = new Map<string, number>()
  let subject = ''
  const trie = createSubjectTrie<string, readonly string[]>({
    plan(items) {
      planned.set(subject, (planned.get(subject) ?? 0) + 1)
      return items
    },
    keep: 1_000,
  })
  const ask = (name: string): void => {
    subject = name
    trie.match(name)
  }
  trie.add('>', 'all')
  ask('hot')
  for (let index = 0; index < 100_000; index++) {
    ask(`flood.${index}`)
    if (index % 100 === 0) ask('hot')
  }
  expect(planned.get('hot')).toBe(1)
  // What came first in the flood is forgotten, so the flood is not kept.
  ask('flood.0')
  expect(planned.get('flood.0')).toBe(2)
})

test('what very many patterns match is not kept for each subject: the bound is on what is kept, not on subjects', () => {
  let plans = 0
  const trie = createSubjectTrie<number, readonly number[]>({
    plan(items) {
      plans++
      return items
    },
    keep: 1_000,
  })
  for (let item = 0; item < 600; item++) trie.add('>', item)
  for (let round = 0; round < 3; round++) expect(trie.match('a')).toHaveLength(600)
  expect(plans).toBe(3)
})

test('matching costs about the same among 100 and among 100,000 patterns, known subject or not', () => {
  const measure = (size: number): { readonly known: number; readonly unknown: number } => {
    const trie = createSubjectTrie<number>()
    for (let item = 0; item < size; item++)
      trie.add([`s${item}.*.x`, `s${item}.>`, `a.b${item}.c`, `*.b${item}.*`][item % 4] as string, item)
    let found = 0
    let unique = 0
    const run = (name: () => string): number => {
      const startMs = performance.now()
      for (let index = 0; index < 5_000; index++) found += trie.match(name()).length
      return performance.now() - startMs
    }
    const best = (name: () => string): number => Math.min(...Array.from({ length: 3 }, () => run(name)))
    const known = best(() => `s${unique++ % 50}.y.x`)
    const unknown = best(() => `s${unique % 50}.y${unique++}.x`)
    expect(found).toBeGreaterThan(0)
    return { known, unknown }
  }
  const few = measure(100)
  const many = measure(100_000)
  // A list of patterns would be a thousand times slower; memory that is not in a cache costs a little.
  expect(many.known / few.known).toBeLessThan(10)
  expect(many.unknown / few.unknown).toBeLessThan(10)
})
