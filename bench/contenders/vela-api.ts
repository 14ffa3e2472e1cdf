/** The two calls of Vela's control API that a benchmark needs, made from outside as any program would make them. */
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { BenchError, type Guest } from '../contract.ts'

export type VelaEngine = 'v8' | 'quickjs'

export interface VelaApi {
  createTenant(name: string): Promise<void>
  deploy(guest: Guest, engine: VelaEngine): Promise<void>
  close(): void
}

export function createVelaApi(url: string, token: string): VelaApi {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })

  const post = async (path: string, body: unknown): Promise<void> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const { status, answer } = await new Promise<{ status: number; answer: string }>((resolve, reject) => {
      const outgoing = request(new URL(path, url), { method: 'POST', agent, headers }, (incoming) => {
        text(incoming).then((answer) => resolve({ status: incoming.statusCode ?? 0, answer }), reject)
      })
      outgoing.on('error', reject)
      outgoing.end(JSON.stringify(body))
    })
    if (status < 200 || status > 299)
      throw new BenchError(`Vela's POST ${path} answered ${status}: ${answer.slice(0, 500)}`)
  }

  return {
    createTenant: (name) => post('/v1/tenants', { name }),
    deploy(guest, engine) {
      const manifest = {
        name: guest.service,
        engine,
        routes: [],
        limits: guest.limits ?? {},
        vars: {},
        capabilities: guest.capabilities ?? {},
      }
      const path = `/v1/tenants/${guest.tenant}/services/${guest.service}/deployments`
      return post(path, { manifest, source: guest.source, sourceMap: null })
    },
    close: () => agent.destroy(),
  }
}
