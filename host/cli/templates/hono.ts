/** `vela init --template hono`: an HTTP API with routes, and a key-value store behind it. */
import type { Template } from './template.ts'

export const hono: Template = {
  hint: 'a Hono app that keeps notes in the key-value store',
  try: `curl -X PUT -d 'buy milk' http://127.0.0.1:8787/demo/{{name}}/notes/tea`,
  dependencies: { hono: '^4.13.19' },
  manifest: `{
  // What this service is and may do. Nothing is granted unless it is asked for here.
  "name": "{{name}}",
  "main": "src/index.ts",
  "capabilities": {
    // env.NOTES: keys and values that outlive the service.
    "kv": { "NOTES": {} }
  }
}
`,
  source: `import { Hono } from 'hono'

const app = new Hono<{ Bindings: Env }>()

app.get('/notes', async (c) => {
  const { keys } = await c.env.NOTES.list()
  return c.json(keys.map(({ name }) => name))
})

app.get('/notes/:name', async (c) => {
  const note = await c.env.NOTES.get(c.req.param('name'))
  return note === null ? c.json({ error: 'no such note' }, 404) : c.text(note)
})

app.put('/notes/:name', async (c) => {
  // Resolves when it is on the disk.
  await c.env.NOTES.put(c.req.param('name'), await c.req.text())
  return c.body(null, 204)
})

app.delete('/notes/:name', async (c) => {
  const existed = await c.env.NOTES.delete(c.req.param('name'))
  return c.body(null, existed ? 204 : 404)
})

export default app
`,
  test: `import { startService } from '@vela/guest-sdk/testing'
import { afterAll, expect, test } from 'vitest'

// The real sandbox; one for all tests of this file.
const service = await startService('.', { kvSeed: { NOTES: { tea: 'green' } } })
afterAll(() => service.stop())

test('lists and reads what is there', async () => {
  expect(await (await service.fetch('/notes')).json()).toEqual(['tea'])
  expect(await (await service.fetch('/notes/tea')).text()).toBe('green')
})

test('keeps what is put and forgets what is deleted', async () => {
  const put = await service.fetch('/notes/milk', { method: 'PUT', body: 'two bottles' })
  expect(put.status).toBe(204)
  expect(await (await service.fetch('/notes/milk')).text()).toBe('two bottles')
  expect((await service.fetch('/notes/milk', { method: 'DELETE' })).status).toBe(204)
  expect((await service.fetch('/notes/milk')).status).toBe(404)
})
`,
}
