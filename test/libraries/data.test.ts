/** Libraries that work on values: zod, valibot, marked, date-fns, nanoid and uuid, on both engines. */
import { expect, test } from 'vitest'
import { createLibraryHost } from './harness.ts'

const host = createLibraryHost()

host.describe('zod', (schemas) => {
  test('parses, coerces, trims and fills in', async () => {
    const player = { username: 'billie', xp: 100, joined: '2024-02-29', tags: [' One', 'TWO '] }
    expect(await (await schemas.post('/player', player)).json()).toEqual({
      username: 'billie',
      xp: 100,
      joined: '2024-02-29T00:00:00.000Z',
      tags: ['one', 'two'],
    })
    expect(await (await schemas.post('/event', { type: 'click', at: [1, 2] })).json()).toEqual({
      type: 'click',
      at: [1, 2],
    })
    expect(await (await schemas.post('/name', 'free')).json()).toBe('free')
  })

  test('says everything that is wrong, with path and words', async () => {
    const wrong = await schemas.post('/player', { username: 'ab', xp: 1.5, email: 'no', joined: 'never' })
    expect([wrong.status, await wrong.json()]).toEqual([
      400,
      {
        issues: [
          {
            code: 'too_small',
            path: ['username'],
            message: 'Too small: expected string to have >=3 characters',
          },
          { code: 'invalid_type', path: ['xp'], message: 'Invalid input: expected int, received number' },
          { code: 'invalid_format', path: ['email'], message: 'Invalid email address' },
          { code: 'invalid_type', path: ['joined'], message: 'Invalid input: expected date, received Date' },
        ],
        pretty:
          '✖ Too small: expected string to have >=3 characters\n  → at username\n' +
          '✖ Invalid input: expected int, received number\n  → at xp\n' +
          '✖ Invalid email address\n  → at email\n' +
          '✖ Invalid input: expected date, received Date\n  → at joined',
      },
    ])
    expect(await (await schemas.post('/event', { type: 'scroll' })).json()).toMatchObject({
      issues: [{ code: 'invalid_union', path: ['type'] }],
    })
    expect(await (await schemas.post('/password', { password: 'a', confirm: 'b' })).json()).toMatchObject({
      issues: [{ code: 'custom', path: ['confirm'], message: "Passwords don't match" }],
    })
    expect(await (await schemas.post('/name', 'taken')).json()).toMatchObject({
      issues: [{ message: 'That name is taken' }],
    })
  })

  test('writes JSON Schema', async () => {
    expect(await (await schemas.fetch('/json-schema')).json()).toEqual({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      oneOf: [
        {
          type: 'object',
          properties: {
            type: { type: 'string', const: 'click' },
            at: {
              type: 'array',
              prefixItems: [{ type: 'number' }, { type: 'number' }],
              minItems: 2,
              maxItems: 2,
              items: false,
            },
          },
          required: ['type', 'at'],
          additionalProperties: false,
        },
        {
          type: 'object',
          properties: {
            type: { type: 'string', const: 'key' },
            key: { type: 'string', enum: ['Enter', 'Escape'] },
          },
          required: ['type', 'key'],
          additionalProperties: false,
        },
      ],
    })
  })
})

host.describe('valibot', (schemas) => {
  test('parses and transforms', async () => {
    const login = await schemas.post('/login', {
      email: ' Jane@Example.com ',
      password: '12345678',
      other: 1,
    })
    expect(await login.json()).toEqual({ email: 'jane@example.com', password: '12345678', remember: false })
    expect(await (await schemas.post('/shape', { kind: 'circle', radius: 2 })).json()).toEqual({
      kind: 'circle',
      radius: 2,
    })
    expect(await (await schemas.post('/age', '42')).json()).toBe(42)
  })

  test('says everything that is wrong', async () => {
    expect(await (await schemas.post('/login', { email: '', password: '1' })).json()).toEqual({
      issues: [
        { type: 'email', path: 'email', message: 'The email is badly formatted.' },
        { type: 'min_length', path: 'password', message: 'Your password must have 8 characters or more.' },
      ],
    })
    expect(await (await schemas.post('/shape', { kind: 'line' })).json()).toEqual({
      issues: [
        {
          type: 'variant',
          path: 'kind',
          message: 'Invalid type: Expected ("circle" | "square") but received "line"',
        },
      ],
    })
    expect(await (await schemas.post('/age', '200')).json()).toMatchObject({
      issues: [{ type: 'max_value' }],
    })
    expect(await (await schemas.post('/name', 'taken')).json()).toEqual({
      issues: [{ type: 'check', path: null, message: 'That name is taken.' }],
    })
  })
})

host.describe('marked', (renderer) => {
  const render = async (path: string, source: string): Promise<string> =>
    await (await renderer.fetch(path, { method: 'POST', body: source })).text()

  test('renders Markdown of CommonMark and GitHub', async () => {
    expect(await render('/', '# Marked\n\nRendered by **marked**.')).toBe(
      '<h1>Marked</h1>\n<p>Rendered by <strong>marked</strong>.</p>\n',
    )
    expect(await render('/', '1. one\n2. [two](https://e.example/?a=1&b=2 "T")\n   - [x] ~~three~~\n')).toBe(
      '<ol>\n<li>one</li>\n<li><a href="https://e.example/?a=1&amp;b=2" title="T">two</a><ul>\n' +
        '<li><input checked="" disabled="" type="checkbox"> <del>three</del></li>\n</ul>\n</li>\n</ol>\n',
    )
    expect(await render('/', '| a | b |\n| :- | -: |\n| é | `<1>` |')).toBe(
      '<table>\n<thead>\n<tr>\n<th align="left">a</th>\n<th align="right">b</th>\n</tr>\n</thead>\n' +
        '<tbody><tr>\n<td align="left">é</td>\n<td align="right"><code>&lt;1&gt;</code></td>\n</tr>\n</tbody></table>\n',
    )
    expect(await render('/', '```ts\nconst a = "<b>" && 1\n```')).toBe(
      '<pre><code class="language-ts">const a = &quot;&lt;b&gt;&quot; &amp;&amp; 1\n</code></pre>\n',
    )
  })

  test('takes extensions and renderers', async () => {
    expect(await render('/shop', '## Tea & Cups\n\nonly €(1250)\ntoday')).toBe(
      '<h2 id="tea-amp-cups">Tea &amp; Cups</h2>\n<p>only <data value="1250">€12.50</data><br>today</p>\n',
    )
  })
})

host.describe('date-fns', (dates, engine) => {
  test('formats, parses and computes', async () => {
    expect(await (await dates.fetch('/')).json()).toEqual({
      format: '02/11/2014 at 00:00:00.000 +00:00',
      day: 'Tuesday, 11th February 2014',
      german: 'Dienstag, 11. Februar 2014',
      spanish: 'martes, 11 de febrero de 2014',
      distance: '3 days ago',
      relative: 'last Saturday at 12:00 AM',
      sorted: ['1987-02-11', '1989-07-10', '1995-07-02'],
      monthEnd: '2024-02-29T23:59:59Z',
      businessDays: 136,
      week: 53,
      weeks: 8,
      duration: '39 years 2 months 20 days 7 hours 5 minutes',
      parsed: '2014-02-11T13:05:00.000Z',
      iso: '2014-02-11T09:30:30.000Z',
      invalid: false,
    })
  })

  test(`${engine === 'v8' ? 'formats' : 'cannot format'} by Intl, which V8 alone has`, async () => {
    const formatted = await dates.fetch('/intl')
    const shown = formatted.ok ? ((await formatted.json()) as string) : formatted.status
    expect(shown).toBe(engine === 'v8' ? '11 February 2014' : 500)
  })
})

host.describe('nanoid', (service) => {
  interface Ids {
    readonly ids: string[]
    readonly short: string
    readonly hex: string[]
    readonly insecure: string
    readonly urlAlphabet: string
  }
  const draw = async (): Promise<Ids> => (await (await service.fetch('/')).json()) as Ids

  test('draws ids of its alphabet that are all different, in each request', async () => {
    const [first, second] = [await draw(), await draw()]
    const ids = [...first.ids, ...second.ids]
    expect(ids.filter((id) => !/^[\w-]{21}$/.test(id))).toEqual([])
    expect(new Set(ids).size).toBe(400)
    // Each of the 64 letters among 8,400: a generator that is stuck or biased misses some.
    expect(new Set(ids.join('')).size).toBe(64)
    expect(first.urlAlphabet).toHaveLength(64)
    expect(first.short).toHaveLength(5)
    expect([...first.hex, ...second.hex].filter((id) => !/^[0-9a-f]{12}$/.test(id))).toEqual([])
    expect(new Set([...first.hex, ...second.hex]).size).toBe(100)
    expect(first.insecure).not.toBe(second.insecure)
  })
})

host.describe('uuid', (service) => {
  test('makes every version, and the known ones by name', async () => {
    const before = Date.now()
    const made = (await (await service.fetch('/')).json()) as Record<'v4' | 'v7', string[]> &
      Record<'v1' | 'v6', string>
    expect(made).toMatchObject({
      v3: '9125a8dc-52ee-365b-a5aa-81b0b3681cf6',
      v5: 'fdda765f-fc57-5604-a269-52a7df8164ec',
      nil: '00000000-0000-0000-0000-000000000000',
      again: '6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b',
      valid: [false, true],
      version: 1,
    })
    const pattern = (version: number): RegExp =>
      new RegExp(`^[0-9a-f]{8}-[0-9a-f]{4}-${version}[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
    expect(made.v1).toMatch(pattern(1))
    expect(made.v6).toMatch(pattern(6))
    expect(made.v4.filter((id) => !pattern(4).test(id))).toEqual([])
    expect(new Set(made.v4).size).toBe(100)
    expect(made.v7.filter((id) => !pattern(7).test(id))).toEqual([])
    expect([...made.v7].sort()).toEqual(made.v7)
    // The first 48 bits are milliseconds; the clock of a turn is the host's.
    const time = Number.parseInt((made.v7[0] ?? '').replace('-', '').slice(0, 12), 16)
    expect(time).toBeGreaterThanOrEqual(before - 1)
    expect(time).toBeLessThanOrEqual(Date.now())
  })
})
