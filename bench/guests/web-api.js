// What a handler in front of another service does with the web platform: it parses its URL and a JSON body, copies
// and edits headers, makes a request of its own from them, reads that one back and answers JSON with headers.
export default {
  async fetch(request) {
    const url = new URL(request.url)
    const order = await request.json()
    const tags = url.searchParams.getAll('tag')

    const headers = new Headers(request.headers)
    headers.set('x-order', String(order.id))
    headers.append('vary', 'accept')
    headers.append('vary', 'origin')
    headers.delete('content-length')

    const target = new URL(`/v1${url.pathname}`, url)
    target.searchParams.set('limit', url.searchParams.get('limit') ?? '10')
    const body = JSON.stringify({ ...order, tags, total: total(order.items) })
    const forwarded = new Request(target, { method: 'PUT', headers, body })

    const answer = {
      method: forwarded.method,
      path: target.pathname + target.search,
      vary: headers.get('vary'),
    }
    return Response.json(
      { ...answer, order: await forwarded.json() },
      { headers: { 'cache-control': 'no-store', 'x-order': forwarded.headers.get('x-order') } },
    )
  },
}

function total(items) {
  return items.reduce((sum, { price, count }) => sum + price * count, 0)
}
