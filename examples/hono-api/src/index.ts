/** A Hono app as one would write it anywhere: routes, middleware, and JSON checked by zod. */
import { zValidator } from '@hono/zod-validator'
import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { z } from 'zod'

interface Note {
  readonly id: number
  readonly title: string
  readonly tags: readonly string[]
}

const noteSchema = z.object({
  title: z.string().min(1).max(100),
  tags: z.array(z.string().max(20)).max(10).default([]),
})

/** Lives as long as the isolate; a service that must remember uses storage. */
const notes = new Map<number, Note>()
let nextId = 1

const app = new Hono()
app.use(requestId())
app.get('/', (c) => c.json({ notes: [...notes.values()] }))
app.post('/', zValidator('json', noteSchema), (c) => {
  const note = { id: nextId++, ...c.req.valid('json') }
  notes.set(note.id, note)
  return c.json(note, 201)
})
app.get('/:id{[0-9]+}', (c) => {
  const note = notes.get(Number(c.req.param('id')))
  return note === undefined ? c.json({ error: 'no such note' }, 404) : c.json(note)
})
app.delete('/:id{[0-9]+}', (c) => {
  const found = notes.delete(Number(c.req.param('id')))
  return found ? c.body(null, 204) : c.json({ error: 'no such note' }, 404)
})
app.notFound((c) => c.json({ error: 'no such route' }, 404))

export default app
