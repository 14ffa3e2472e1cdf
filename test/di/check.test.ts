/** What is wrong with a composition is found before anything is made, with the path and what to do. */
import { describe, expect, test, vi } from 'vitest'
import { createContainer } from '../../host/di/container.ts'
import { defineModule } from '../../host/di/module.ts'
import { provide, type Provider, type Scope } from '../../host/di/provider.ts'
import { lazy, optional, token, type Injectable, type Token } from '../../host/di/token.ts'

const [A, B, C, D] = [token<object>('A'), token<object>('B'), token<object>('C'), token<object>('D')]

const of = (
  provided: Token<object>,
  inject: readonly Injectable<unknown>[] = [],
  scope: Scope = 'singleton',
): Provider => provide(provided, { inject, scope, useFactory: () => ({}) })

const problemOf = (...providers: Provider[]): unknown => {
  try {
    createContainer({ providers }).check()
    return undefined
  } catch (thrown) {
    return thrown
  }
}

describe('unknown tokens', () => {
  test('are found with who asks, all of them at once', () => {
    expect(problemOf(of(A, [B]), of(D, [A, C]))).toMatchObject({
      code: 'VELA_DI_UNKNOWN_TOKEN',
      message: expect.stringMatching(/A → B: .*D → C: /),
      details: { path: ['A', 'B'], problems: [{ path: ['A', 'B'] }, { path: ['D', 'C'] }] },
    })
  })

  test('are found behind lazy, properties, after and aliases too, but not behind optional', () => {
    expect(problemOf(of(A, [lazy(B)]))).toMatchObject({ details: { path: ['A', 'B'] } })
    const after = provide(A, { after: [B], useFactory: () => ({}) })
    expect(problemOf(after)).toMatchObject({ details: { path: ['A', 'B'] } })
    expect(problemOf(provide(A, { useExisting: C }))).toMatchObject({ details: { path: ['A', 'C'] } })
    const SHOP = token<{ log?: object }>('shop')
    const property = provide(SHOP, { useFactory: () => ({}), properties: { log: D } })
    expect(problemOf(property)).toMatchObject({ details: { path: ['shop', 'D'] } })
    expect(problemOf(of(A, [optional(B)]))).toBeUndefined()
  })

  test('nothing is made of a composition with a problem', async () => {
    const make = vi.fn(() => ({}))
    const container = createContainer({ providers: [provide(B, { useFactory: make }), of(A, [C])] })
    await expect(container.make()).rejects.toMatchObject({ code: 'VELA_DI_UNKNOWN_TOKEN' })
    expect(() => container.resolve(B)).toThrow()
    expect(make).not.toHaveBeenCalled()
  })
})

describe('cycles', () => {
  test('are found with the path, and the message names the way out', () => {
    expect(problemOf(of(D, [A]), of(A, [B]), of(B, [C]), of(C, [A]))).toMatchObject({
      code: 'VELA_DI_CYCLE',
      message: expect.stringMatching(/^A → B → C → A: .*lazy/),
      details: { path: ['A', 'B', 'C', 'A'] },
    })
    expect(problemOf(of(A, [A]))).toMatchObject({ details: { path: ['A', 'A'] } })
  })

  test('go through aliases, properties, optional and after', () => {
    const after = provide(B, { after: [A], useFactory: () => ({}) })
    expect(problemOf(of(A, [B]), after)).toMatchObject({ code: 'VELA_DI_CYCLE' })
    expect(problemOf(of(A, [B]), provide(B, { useExisting: A }))).toMatchObject({ code: 'VELA_DI_CYCLE' })
    expect(problemOf(of(A, [optional(B)]), of(B, [A]))).toMatchObject({ code: 'VELA_DI_CYCLE' })
  })

  test('lazy opens them', () => {
    expect(problemOf(of(A, [B]), of(B, [C]), of(C, [lazy(A)]))).toBeUndefined()
  })

  test('a chain of twenty thousand is none', () => {
    const tokens = Array.from({ length: 20_000 }, (_, index) => token<object>(`${index}`))
    const chain = tokens.map((one, index) => of(one, tokens.slice(index + 1, index + 2)))
    expect(problemOf(...chain)).toBeUndefined()
  })
})

describe('captive dependencies', () => {
  test.each([
    ['singleton', 'request'],
    ['singleton', 'tenant'],
    ['tenant', 'request'],
  ] as const)('a %s does not hold what is of a %s', (longer, shorter) => {
    expect(problemOf(of(A, [B], longer), of(B, [], shorter))).toMatchObject({
      code: 'VELA_DI_CAPTIVE',
      message: expect.stringMatching(new RegExp(`^A → B: A has scope ${longer} .* scope ${shorter}`)),
      details: { path: ['A', 'B'] },
    })
    expect(problemOf(of(A, [B], shorter), of(B, [], longer))).toBeUndefined()
  })

  test('nor through transients and aliases, of which the path tells', () => {
    const chain = [of(B, [C], 'transient'), provide(C, { useExisting: D }), of(D, [], 'request')]
    expect(problemOf(of(A, [B]), ...chain)).toMatchObject({ details: { path: ['A', 'B', 'C', 'D'] } })
    expect(problemOf(of(A, [B], 'request'), ...chain)).toBeUndefined()
    expect(problemOf(of(A, [B], 'transient'), ...chain)).toBeUndefined()
  })

  test('nor lazily or optionally', () => {
    expect(problemOf(of(A, [lazy(B)]), of(B, [], 'request'))).toMatchObject({ code: 'VELA_DI_CAPTIVE' })
    expect(problemOf(of(A, [optional(B)]), of(B, [], 'request'))).toMatchObject({ code: 'VELA_DI_CAPTIVE' })
  })

  test('a circle of lazy transients is walked once', () => {
    const circle = [of(B, [lazy(C)], 'transient'), of(C, [lazy(B), D], 'transient')]
    expect(problemOf(of(A, [B]), ...circle, of(D))).toBeUndefined()
    expect(problemOf(of(A, [B]), ...circle, of(D, [], 'request'))).toMatchObject({
      details: { path: ['A', 'B', 'C', 'D'] },
    })
  })
})

describe('modules', () => {
  const store = defineModule({ name: 'store', providers: [of(A), of(B, [A])], exports: [B] })

  test('what a module exports can be injected by who imports it, the rest not', () => {
    const shop = (inject: readonly Token<object>[]): unknown => {
      const container = createContainer({
        modules: [defineModule({ name: 'shop', imports: [store], providers: [of(C, inject)] })],
      })
      return container.resolve(C)
    }
    expect(shop([B])).toEqual({})
    expect(() => shop([A])).toThrow(
      expect.objectContaining({
        code: 'VELA_DI_UNKNOWN_TOKEN',
        message: expect.stringMatching(/C → A: the module store provides A, .*export it there/),
      }),
    )
  })

  test('what a module hides is not there for an optional injection either, which no check would see', () => {
    const secret = defineModule({ name: 'secret', providers: [of(A, [], 'request')], exports: [] })
    const wants = provide(B, { inject: [optional(A)], useFactory: (a) => ({ a }) })
    expect(createContainer({ modules: [secret], providers: [wants] }).resolve(B)).toEqual({ a: undefined })
  })

  test('the root sees what its modules export, and they see what the root provides', () => {
    const needy = defineModule({ name: 'needy', providers: [of(A, [D]), of(B, [A])], exports: [B] })
    const build = (inject: readonly Token<object>[]): unknown =>
      createContainer({ modules: [needy], providers: [of(C, inject), of(D)] }).resolve(C)
    expect(build([B])).toEqual({})
    expect(() => build([A])).toThrow('C → A')
  })

  test('an export may hand on an import; what is imported twice is there once', () => {
    const through = defineModule({
      name: 'through',
      imports: [store],
      providers: [of(C, [B])],
      exports: [B, C],
    })
    const shop = defineModule({ name: 'shop', imports: [through, store], providers: [of(D, [B, C])] })
    expect(createContainer({ modules: [shop, store] }).resolve(D)).toEqual({})
    const wrong = defineModule({ name: 'wrong', imports: [through], providers: [], exports: [A] })
    expect(() => createContainer({ modules: [wrong] }).check()).toThrow('the module wrong exports A')
  })

  test('a token that is provided twice is refused, by both names', () => {
    const other = defineModule({ name: 'other', providers: [of(A)] })
    expect(() => createContainer({ modules: [store, other] }).check()).toThrow(
      expect.objectContaining({
        code: 'VELA_DI_DUPLICATE',
        message: expect.stringContaining('by the module store and by the module other'),
      }),
    )
    expect(() => createContainer({ providers: [of(A), of(A)] }).check()).toThrow('A is provided twice')
  })
})

describe('overrides', () => {
  const fake = { fake: true }
  const override = provide(A, { useValue: fake })

  test('stand where the other stood, hidden in a module or not', () => {
    const store = defineModule({
      name: 'store',
      providers: [of(A), provide(B, { inject: [A], useFactory: (a) => a })],
      exports: [B],
    })
    const container = createContainer({ modules: [store], overrides: [override] })
    expect(container.resolve(B)).toBe(fake)
  })

  test('of nothing are a mistake, and two of the same', () => {
    expect(() => createContainer({ providers: [of(B)], overrides: [override] }).check()).toThrow(
      'replaces nothing',
    )
    expect(() => createContainer({ providers: [of(A)], overrides: [override, override] }).check()).toThrow(
      expect.objectContaining({ code: 'VELA_DI_DUPLICATE' }),
    )
  })

  test('are checked as what they replace was', () => {
    expect(() => createContainer({ providers: [of(A)], overrides: [of(A, [B])] }).check()).toThrow('A → B')
  })
})
