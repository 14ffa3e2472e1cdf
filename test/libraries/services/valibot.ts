import * as v from 'valibot'

const LoginSchema = v.object({
  email: v.pipe(v.string(), v.trim(), v.toLowerCase(), v.email('The email is badly formatted.')),
  password: v.pipe(v.string(), v.minLength(8, 'Your password must have 8 characters or more.')),
  remember: v.optional(v.boolean(), false),
})
const ShapeSchema = v.variant('kind', [
  v.object({ kind: v.literal('circle'), radius: v.pipe(v.number(), v.minValue(0)) }),
  v.object({ kind: v.literal('square'), side: v.number() }),
])
const AgeSchema = v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number), v.integer(), v.maxValue(150))
const NameSchema = v.pipeAsync(
  v.string(),
  v.checkAsync(async (name) => (await Promise.resolve(name)) !== 'taken', 'That name is taken.'),
)

const schemas = { login: LoginSchema, shape: ShapeSchema, age: AgeSchema, name: NameSchema } as const

export default {
  async fetch(request: Request): Promise<Response> {
    const name = new URL(request.url).pathname.slice(1)
    if (!(name in schemas)) return new Response('no such schema', { status: 404 })
    const result = await v.safeParseAsync(schemas[name as keyof typeof schemas], await request.json())
    if (result.success) return Response.json(result.output)
    const issues = result.issues.map((issue) => ({
      type: issue.type,
      path: v.getDotPath(issue),
      message: issue.message,
    }))
    return Response.json({ issues }, { status: 400 })
  },
}
