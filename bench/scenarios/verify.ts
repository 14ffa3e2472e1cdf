/** A benchmark of wrong answers is worth nothing: every scenario first asks for one and reads it. */
import { isDeepStrictEqual } from 'node:util'
import { BenchError, type Running } from '../contract.ts'
import { createClient } from '../load/client.ts'
import { parseJson } from '../unknown.ts'

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

/** GETs `url`, or POSTs JSON to it, and checks that the answer is this status and this JSON. */
export async function verifyJson(
  running: Running,
  url: string,
  status: number,
  expected: unknown,
  body?: string,
): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, body === undefined ? {} : { method: 'POST', headers, body })
  const text = await response.text()
  if (response.status === status && isDeepStrictEqual(parseJson(text), expected)) return
  throw new BenchError(`${running.name}: ${url} answered ${response.status}: ${text.slice(0, 300)}`)
}
