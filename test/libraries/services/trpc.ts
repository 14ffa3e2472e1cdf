import { initTRPC, tracked, TRPCError } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { z } from 'zod'

interface Context {
  readonly user: string | null
}

const t = initTRPC.context<Context>().create({ sse: { ping: { enabled: false } } })
const authed = t.procedure.use(({ ctx, next }) => {
  if (ctx.user === null) throw new TRPCError({ code: 'UNAUTHORIZED' })
  return next({ ctx: { user: ctx.user } })
})

const appRouter = t.router({
  greeting: t.procedure
    .input(z.object({ name: z.string().min(2) }))
    .query(({ input }) => ({ text: `hello ${input.name}` })),
  whoAmI: authed.query(({ ctx }) => ctx.user),
  posts: t.router({
    add: authed
      .input(z.object({ title: z.string() }))
      .mutation(({ input, ctx }) => ({ id: 1, author: ctx.user, ...input })),
  }),
  slow: t.procedure.query(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    return 'at last'
  }),
  countdown: t.procedure.input(z.number()).subscription(async function* ({ input }) {
    for (let left = input; left >= 0; left--) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      yield tracked(`left-${left}`, left)
    }
  }),
})
export type AppRouter = typeof appRouter

export default {
  fetch: (request: Request): Promise<Response> =>
    fetchRequestHandler({
      endpoint: '/trpc',
      req: request,
      router: appRouter,
      createContext: () => ({ user: request.headers.get('x-user') }),
    }),
}
