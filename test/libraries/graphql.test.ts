/** GraphQL and tRPC as npm has them: graphql, graphql-yoga with server-sent events, the fetch adapter of tRPC. */
import { expect, test } from 'vitest'
import { createLibraryHost, parseEvents } from './harness.ts'

const host = createLibraryHost()

host.describe('graphql', (service) => {
  const run = async (query: string, variables: object = {}, path = '/'): Promise<unknown> =>
    await (await service.post(path, { query, variables })).json()

  test('executes queries with variables, fragments, aliases and resolvers that wait', async () => {
    const query = `query Long($n: Int!, $skip: Boolean = true) {
      hello long: books(longerThan: $n) { ...of pages @skip(if: $skip) }
    } fragment of on Book { title author { name __typename } }`
    expect(await run(query, { n: 100 })).toEqual({
      data: {
        hello: 'world',
        long: [{ title: 'Erewhon', author: { name: 'Samuel Butler', __typename: 'Author' } }],
      },
    })
  })

  test('tells where a query is wrong and which field failed', async () => {
    expect(await run('{ books { secret titel } }')).toEqual({
      errors: [
        {
          message: 'Cannot query field "titel" on type "Book". Did you mean "title"?',
          locations: [{ line: 1, column: 18 }],
        },
      ],
    })
    expect(await run('{ books(longerThan: 200) { title secret } }')).toEqual({
      data: { books: [{ title: 'Erewhon', secret: null }] },
      errors: [
        { message: 'not for you', locations: [{ line: 1, column: 34 }], path: ['books', 0, 'secret'] },
      ],
    })
    expect(await run('{ hello')).toMatchObject({
      errors: [{ message: 'Syntax Error: Expected Name, found <EOF>.' }],
    })
  })

  test('introspects, prints and validates schemas', async () => {
    expect(await run('{ __type(name: "Book") { fields { name type { kind ofType { name } } } } }')).toEqual({
      data: {
        __type: {
          fields: [
            { name: 'title', type: { kind: 'NON_NULL', ofType: { name: 'String' } } },
            { name: 'pages', type: { kind: 'SCALAR', ofType: null } },
            { name: 'author', type: { kind: 'OBJECT', ofType: null } },
            { name: 'secret', type: { kind: 'SCALAR', ofType: null } },
          ],
        },
      },
    })
    expect(await (await service.fetch('/schema')).text()).toContain(
      'type Query {\n  hello: String\n  books(longerThan: Int = 0): [Book]\n}',
    )
    expect(await (await service.post('/print', { query: '{a(b:{c:[1,"d"]}){e}}' })).text()).toBe(
      '{\n  a(b: { c: [1, "d"] }) {\n    e\n  }\n}',
    )
    expect(await run('{ one two(of: {x: 1}) three }', {}, '/validate')).toEqual([
      'ID cannot represent a non-string and non-integer value: { x: 1 }',
      'Cannot query field "three" on type "Query".',
    ])
  })
})

host.describe('graphql-yoga', (yoga) => {
  const run = async (query: string, variables: object = {}): Promise<unknown> =>
    await (await yoga.post('/graphql', { query, variables })).json()

  test('answers queries by POST and GET, and hides what is not meant for clients', async () => {
    expect(await run('query($n: String) { hello(name: $n) }', { n: 'Ada' })).toEqual({
      data: { hello: 'Hello from Ada!' },
    })
    const got = await yoga.fetch(`/graphql?query=${encodeURIComponent('{ hello }')}`, {
      headers: { accept: 'application/graphql-response+json' },
    })
    expect(got.headers.get('content-type')).toBe('application/graphql-response+json; charset=utf-8')
    expect(await got.json()).toEqual({ data: { hello: 'Hello from Yoga!' } })
    expect(await run('{ fails leaks }')).toEqual({
      data: { fails: null, leaks: null },
      errors: [
        {
          message: 'You shall not pass',
          locations: [{ line: 1, column: 3 }],
          path: ['fails'],
          extensions: { code: 'FORBIDDEN' },
        },
        {
          message: 'Unexpected error.',
          locations: [{ line: 1, column: 9 }],
          path: ['leaks'],
          extensions: { code: 'INTERNAL_SERVER_ERROR' },
        },
      ],
    })
    expect((await yoga.post('/graphql', { query: '{ hello' })).status).toBe(200)
    expect((await yoga.fetch('/elsewhere')).status).toBe(404)
  })

  test('serves GraphiQL to a browser, and answers CORS', async () => {
    const page = await yoga.fetch('/graphql', { headers: { accept: 'text/html' } })
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(await page.text()).toContain('<title>Yoga GraphiQL</title>')
    const preflight = await yoga.fetch('/graphql', {
      method: 'OPTIONS',
      headers: { origin: 'http://example.com', 'access-control-request-method': 'POST' },
    })
    expect(preflight.headers.get('access-control-allow-origin')).toBe('http://example.com')
  })

  test('takes uploads of files', async () => {
    const form = new FormData()
    form.set(
      'operations',
      JSON.stringify({ query: 'mutation($f: File!) { read(file: $f) }', variables: { f: null } }),
    )
    form.set('map', JSON.stringify({ 0: ['variables.f'] }))
    form.set('0', new File(['tea, cups'], 'list.txt'))
    const read = await yoga.fetch('/graphql', {
      method: 'POST',
      body: form,
      headers: { 'graphql-require-preflight': '1' },
    })
    expect(await read.json()).toEqual({ data: { read: 'list.txt: tea, cups' } })
  })

  const subscribe = (query: string, signal: AbortSignal | null = null): Promise<Response> =>
    yoga.fetch(`/graphql?query=${encodeURIComponent(query)}`, {
      headers: { accept: 'text/event-stream' },
      signal,
    })

  test('sends a subscription as events in order, and then completes', async () => {
    const response = await subscribe('subscription { countdown(from: 3) }')
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    expect(parseEvents(await response.text())).toEqual([
      ...[3, 2, 1, 0].map((countdown) => ({ event: 'next', data: JSON.stringify({ data: { countdown } }) })),
      { event: 'complete', data: '' },
    ])
  })

  test('an event reaches the subscriber while its stream is open', async () => {
    const abort = new AbortController()
    const response = await subscribe('subscription { message }', abort.signal)
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const seen: string[] = []
    // The first bytes are a comment that says the subscription stands.
    seen.push(Buffer.from((await reader.read()).value ?? []).toString())
    expect(await run('mutation { send(text: "tea") }')).toEqual({ data: { send: true } })
    while (!seen.join('').includes('tea'))
      seen.push(Buffer.from((await reader.read()).value ?? []).toString())
    expect(parseEvents(seen.join(''))).toEqual([{ event: 'next', data: '{"data":{"message":"tea"}}' }])
    abort.abort()
    await expect(reader.read()).rejects.toThrow('abort')
  })
})

host.describe('trpc', (api) => {
  const input = (value: unknown): string => `input=${encodeURIComponent(JSON.stringify(value))}`
  const as = (user: string): RequestInit => ({ headers: { 'x-user': user } })

  test('answers queries and mutations, and says what is wrong with their input', async () => {
    expect(await (await api.fetch(`/trpc/greeting?${input({ name: 'Ada' })}`)).json()).toEqual({
      result: { data: { text: 'hello Ada' } },
    })
    const made = await api.post('/trpc/posts.add', { title: 'Tea' }, as('ada'))
    expect(await made.json()).toEqual({ result: { data: { id: 1, author: 'ada', title: 'Tea' } } })
    const wrong = await api.fetch(`/trpc/greeting?${input({ name: 'A' })}`)
    expect([wrong.status, await wrong.json()]).toMatchObject([
      400,
      {
        error: {
          code: -32_600,
          message: expect.stringContaining('Too small: expected string to have >=2 characters'),
          data: { code: 'BAD_REQUEST', path: 'greeting' },
        },
      },
    ])
    expect((await api.fetch('/trpc/whoAmI')).status).toBe(401)
    expect((await api.fetch('/trpc/nothing')).status).toBe(404)
  })

  test('answers batches, and streams them as they are ready', async () => {
    const batch = `/trpc/greeting,whoAmI?batch=1&${input({ 0: { name: 'Ada' } })}`
    const answers = await api.fetch(batch, as('ada'))
    expect(await answers.json()).toEqual([
      { result: { data: { text: 'hello Ada' } } },
      { result: { data: 'ada' } },
    ])
    const mixed = await api.fetch(batch)
    expect([mixed.status, await mixed.json()]).toMatchObject([
      207,
      [{ result: {} }, { error: { data: { httpStatus: 401 } } }],
    ])

    const streamed = await api.fetch(`/trpc/slow,whoAmI?batch=1&${input({})}`, {
      headers: { 'x-user': 'ada', 'trpc-accept': 'application/jsonl' },
    })
    const text = await streamed.text()
    expect(text.indexOf('"ada"')).toBeGreaterThan(0)
    expect(text.indexOf('"ada"')).toBeLessThan(text.indexOf('at last'))
  })

  test('sends a subscription as server-sent events in order, with ids', async () => {
    const response = await api.fetch(`/trpc/countdown?${input(3)}`, {
      headers: { accept: 'text/event-stream' },
    })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const events = parseEvents(await response.text())
    expect(events.filter(({ id }) => id !== undefined)).toEqual(
      [3, 2, 1, 0].map((left) => ({ id: `left-${left}`, data: String(left) })),
    )
    expect(events[0]?.event).toBe('connected')
    expect(events.at(-1)?.event).toBe('return')
  })
})
