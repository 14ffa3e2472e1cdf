import ky, { HTTPError, TimeoutError } from 'ky'

interface Env {
  readonly UPSTREAM: string
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const seen: string[] = []
    const api = ky.create({
      prefix: env.UPSTREAM,
      headers: { 'x-app': 'shop' },
      retry: { limit: 2, delay: () => 1 },
      hooks: {
        beforeRequest: [
          ({ request: outgoing }) => {
            outgoing.headers.set('x-hooked', 'yes')
          },
        ],
        beforeRetry: [({ retryCount }) => void seen.push(`retry ${retryCount}`)],
        afterResponse: [({ response }) => void seen.push(`answer ${response.status}`)],
      },
    })
    switch (new URL(request.url).pathname) {
      case '/json':
        return Response.json(await api.get('echo', { searchParams: { q: 'a b', n: 1 } }).json())
      case '/post':
        return Response.json(await api.post('echo', { json: { foo: true } }).json())
      case '/put':
        return Response.json(
          await api
            .extend({ headers: { 'x-app': 'other' } })
            .put('echo', { body: request.body })
            .json(),
        )
      case '/retry':
        return Response.json({ text: await api.get('flaky').text(), seen })
      case '/stream':
        return new Response((await api.get('lines')).body)
      case '/progress': {
        const progress: number[] = []
        const bytes = await api
          .get('bytes', {
            onDownloadProgress: ({ transferredBytes }) => void progress.push(transferredBytes),
          })
          .arrayBuffer()
        return Response.json({ length: bytes.byteLength, last: progress.at(-1) })
      }
      case '/missing':
        try {
          return await api.get('missing')
        } catch (error) {
          if (!(error instanceof HTTPError)) throw error
          return Response.json({ name: error.name, status: error.response.status, message: error.message })
        }
      case '/timeout':
        try {
          return await api.get('never', { timeout: 50, retry: 0 })
        } catch (error) {
          return Response.json({ isTimeout: error instanceof TimeoutError, name: (error as Error).name })
        }
      case '/abort':
        try {
          const controller = new AbortController()
          setTimeout(() => controller.abort(), 20)
          return await api.get('never', { signal: controller.signal })
        } catch (error) {
          return Response.json({ name: (error as Error).name })
        }
      default:
        return new Response('no such example', { status: 404 })
    }
  },
}
