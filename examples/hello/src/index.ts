/** The smallest service worth having: an HTTP answer, a variable from the manifest, and a method to call. */
import type { ExportedHandler } from '@vela/guest-sdk'

interface Env {
  readonly GREETING: string
}

export default {
  fetch(request: Request, env: Env): Response {
    const { pathname, searchParams } = new URL(request.url)
    const name = searchParams.get('name') ?? 'world'
    return Response.json({ message: `${env.GREETING}, ${name}!`, path: pathname })
  },

  /** Called by `vela invoke demo/hello greet '["Ada"]'` or `runtime.invoke`. */
  greet(name: string): string {
    return `Hello, ${name}!`
  },
} satisfies ExportedHandler<Env>
