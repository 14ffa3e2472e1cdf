/** What the shop asks: an entrypoint for RPC, and a fetch handler beside it. */
import { WorkerEntrypoint } from 'cloudflare:workers'

const stock: Record<string, number> = { tea: 3, cup: 0 }
const audited: string[] = []

export class Stock extends WorkerEntrypoint {
  available(sku: string): number {
    if (!Object.hasOwn(stock, sku)) throw new RangeError(`no such article: ${sku}`)
    return stock[sku] ?? 0
  }
}

export class Audit extends WorkerEntrypoint {
  record(what: string): number {
    return audited.push(what)
  }
}

export default class extends WorkerEntrypoint<{ readonly OWNER: string }> {
  fetch(request: Request): Response {
    const { pathname } = new URL(request.url)
    return Response.json(
      { owner: this.env.OWNER, pathname, method: request.method },
      { headers: { 'x-served-by': 'stock' } },
    )
  }
}
