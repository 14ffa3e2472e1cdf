/** A benchmark of wrong answers is worth nothing: every scenario first asks for one and reads it. */
import { BenchError, type Running } from '../contract.ts'
import { createClient } from '../load/client.ts'

/** GETs `path` of a hello service once and checks what it says; also loads the service. */
export async function verifyHello(running: Running, tenant: string, service: string): Promise<void> {
  const client = createClient(1)
  const url = `${running.url(tenant, service)}/x`
  const answer = await client.get(url)
  client.close()
  // workerd's dispatcher passes the path on whole; Vela's gateway takes the prefix off.
  if (answer.status === 200 && /^\{"hello":"(?:\/[\w-]+){0,2}\/x"\}$/.test(answer.body)) return
  throw new BenchError(
    `${running.name}: GET ${url} answered ${answer.status} ${answer.code}: ${answer.body.slice(0, 300)}`,
  )
}
