import { z } from 'zod'

const Player = z.object({
  username: z.string().min(3),
  xp: z.number().int().nonnegative(),
  email: z.email().optional(),
  joined: z.coerce.date(),
  tags: z.array(z.string().trim().toLowerCase()).default([]),
})
const Event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('click'), at: z.tuple([z.number(), z.number()]) }),
  z.object({ type: z.literal('key'), key: z.enum(['Enter', 'Escape']) }),
])
const Password = z
  .object({ password: z.string(), confirm: z.string() })
  .refine((data) => data.password === data.confirm, { message: "Passwords don't match", path: ['confirm'] })
const Name = z
  .string()
  .refine(async (name) => (await Promise.resolve(name)) !== 'taken', 'That name is taken')

const schemas = { player: Player, event: Event, password: Password, name: Name } as const

export default {
  async fetch(request: Request): Promise<Response> {
    const name = new URL(request.url).pathname.slice(1)
    if (name === 'json-schema') return Response.json(z.toJSONSchema(Event))
    if (!(name in schemas)) return new Response('no such schema', { status: 404 })
    const result = await schemas[name as keyof typeof schemas].safeParseAsync(await request.json())
    if (result.success) return Response.json(result.data)
    const { issues } = result.error
    return Response.json(
      {
        issues: issues.map(({ code, path, message }) => ({ code, path, message })),
        pretty: z.prettifyError(result.error),
      },
      { status: 400 },
    )
  },
}
