/**
 * What the compiler refuses. Each `@ts-expect-error` is an assertion of `npm run typecheck`: it fails when the line below it is
 * accepted. What is left is run, so that nothing here is only true on paper.
 */
import { expect, test } from 'vitest'
import { createContainer } from '../../host/di/container.ts'
import { given } from '../../host/di/level.ts'
import { provide, type Provider } from '../../host/di/provider.ts'
import { lazy, optional, token, tokensFor, type TokensOf } from '../../host/di/token.ts'

interface Log {
  info(text: string): void
}
class Mailer {
  readonly retries: number
  sent = 0
  constructor(log: Log, retries: number) {
    this.retries = retries
    log.info('made')
  }
}
const LOG = token<Log>('log')
const RETRIES = token<number>('retries')
const NAME = token<string>('name')
const MAILER = token<Mailer>('mailer')

test('what a class injects must be what its constructor takes, in its order', () => {
  const fine: Provider = provide(MAILER, { useClass: Mailer, inject: [LOG, RETRIES] })
  // @ts-expect-error the other way round
  provide(MAILER, { useClass: Mailer, inject: [RETRIES, LOG] })
  // @ts-expect-error too few
  provide(MAILER, { useClass: Mailer, inject: [LOG] })
  // @ts-expect-error none
  provide(MAILER, { useClass: Mailer })
  // @ts-expect-error it may be absent, and the constructor does not take that
  provide(MAILER, { useClass: Mailer, inject: [LOG, optional(RETRIES)] })
  // @ts-expect-error of another type
  provide(NAME, { useClass: Mailer, inject: [LOG, RETRIES] })
  expect(fine.inject).toEqual([LOG, RETRIES])
})

test('a factory’s parameters have the types of what is injected, and its result that of the token', () => {
  const container = createContainer({
    providers: [
      provide(RETRIES, { useValue: 2 }),
      provide(NAME, {
        inject: [RETRIES, optional(LOG), lazy(RETRIES)],
        useFactory: (retries, log, later) => `${retries.toFixed()}${String(log?.info)}${later().toFixed()}`,
      }),
    ],
  })
  // @ts-expect-error a number is no string
  provide(NAME, { inject: [RETRIES], useFactory: (retries) => retries })
  // @ts-expect-error a promise of a number is none either
  provide(NAME, { inject: [RETRIES], useFactory: (retries) => Promise.resolve(retries) })
  // @ts-expect-error it may be undefined
  provide(NAME, { inject: [optional(NAME)], useFactory: (name) => name.trim() })
  const name: string = container.resolve(NAME)
  expect(name).toBe('2undefined2')
})

test('values, aliases, properties, hooks and what a scope is given have the type of the token', () => {
  // @ts-expect-error a number is no string
  provide(NAME, { useValue: 7 })
  // @ts-expect-error another type
  provide(NAME, { useExisting: RETRIES })
  // @ts-expect-error two ways at once
  provide(NAME, { useValue: 'a', useFactory: () => 'b' })
  // @ts-expect-error `sent` is a number
  provide(MAILER, { useClass: Mailer, inject: [LOG, RETRIES], properties: { sent: NAME } })
  // @ts-expect-error a mailer has no `close`
  provide(MAILER, { useClass: Mailer, inject: [LOG, RETRIES], dispose: (mailer) => mailer.close() })
  // @ts-expect-error the hook gets the log second, after the signal
  provide(MAILER, { useClass: Mailer, inject: [LOG, RETRIES], onStart: (_mailer, log: Log) => log.info('') })
  // @ts-expect-error a number is no string
  given(NAME, 7)
  expect(given(NAME, 'acme').value).toBe('acme')
})

test('a record of tokens misses none and has no other', () => {
  interface Parts {
    readonly log: Log
    readonly name: string
  }
  // @ts-expect-error `name` is missing
  tokensFor<Parts>('', { log: true })
  // @ts-expect-error `other` is none
  tokensFor<Parts>('', { log: true, name: true, other: true })
  const parts: TokensOf<Parts> = tokensFor<Parts>('', { log: true, name: true })
  // @ts-expect-error the token of the log is not that of a name
  const wrong: typeof NAME = parts.log
  expect(wrong).toBe(parts.log)
})
