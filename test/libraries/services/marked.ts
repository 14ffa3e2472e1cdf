import { Marked, marked } from 'marked'

const shop = new Marked({ gfm: true, breaks: true })
shop.use({
  extensions: [
    {
      name: 'price',
      level: 'inline',
      start: (source) => source.indexOf('€('),
      tokenizer(source) {
        const match = /^€\((\d+)\)/.exec(source)
        return match === null ? undefined : { type: 'price', raw: match[0], cents: Number(match[1]) }
      },
      renderer: (token) => `<data value="${token['cents']}">€${(token['cents'] / 100).toFixed(2)}</data>`,
    },
  ],
  renderer: {
    heading({ tokens, depth }) {
      const text = this.parser.parseInline(tokens)
      return `<h${depth} id="${text.toLowerCase().replaceAll(/\W+/g, '-')}">${text}</h${depth}>\n`
    },
  },
})

export default {
  async fetch(request: Request): Promise<Response> {
    const source = await request.text()
    const html = request.url.endsWith('/shop')
      ? await shop.parse(source)
      : await marked.parse(source, { async: true })
    return new Response(html, { headers: { 'content-type': 'text/html; charset=utf-8' } })
  },
}
