/** URL and URLSearchParams by the URL Standard. */
import { ok, same, throws, wrong, type Checks } from './expect.ts'

const href = (input: string, base?: string): string => new URL(input, base).href

export const url: Checks = {
  'URL: the parts': () => {
    const url = new URL('https://u:p@example.com:8080/a/b?c=d#e')
    const { protocol, username, password, host, hostname, port, pathname, search, hash, origin } = url
    same(
      [protocol, username, password, host, hostname, port],
      ['https:', 'u', 'p', 'example.com:8080', 'example.com', '8080'],
    )
    same([pathname, search, hash, origin], ['/a/b', '?c=d', '#e', 'https://example.com:8080'])
  },
  'URL: scheme and host are made lower case, the default port goes': () =>
    same(href('HTTPS://EXAMPLE.Com:443/A'), 'https://example.com/A'),
  'URL: dot segments are resolved, also when percent-encoded': () => {
    same(href('http://h/a/b/../c/./d'), 'http://h/a/c/d')
    same(href('http://h/a/%2e%2E/b'), 'http://h/b')
    same(href('http://h/../..'), 'http://h/')
  },
  'URL: backslashes are slashes in special schemes only': () => {
    same(href('http:\\\\h\\a'), 'http://h/a')
    same(href('x://h/a\\b'), 'x://h/a\\b')
  },
  'URL: whitespace around, tabs and line breaks inside go': () =>
    same(href(' \n ht\ttp://h/a\nb \0'), 'http://h/ab'),
  'URL: each part has its own percent-encode set': () => {
    same(
      href('http://h/ "<>`{}^|?\'"<>#"<>`'),
      'http://h/%20%22%3C%3E%60%7B%7D%5E|?%27%22%3C%3E#%22%3C%3E%60',
    )
    same(href('http://u"@h/'), 'http://u%22@h/')
  },
  'URL: characters beyond ASCII are percent-encoded as UTF-8': () =>
    same(href('http://h/é?ü#ß'), 'http://h/%C3%A9?%C3%BC#%C3%9F'),
  'URL: lone surrogates become U+FFFD': () => same(href('http://h/\ud800'), 'http://h/%EF%BF%BD'),
  'URL: international names become punycode': () => {
    same(new URL('http://bücher.example/').hostname, 'xn--bcher-kva.example')
    same(new URL('http://faß.de/').hostname, 'xn--fa-hia.de')
    same(new URL('http://ＧＯ.com/').hostname, 'go.com')
  },
  'URL: IPv4 in all its forms': () => {
    for (const form of ['0x7f.1', '2130706433', '0177.0.0.1', '127.1', '127.0.0.1.']) {
      same(new URL(`http://${form}/`).hostname, '127.0.0.1')
    }
    for (const form of ['256.1.1.1', '1.2.3.4.5', '0x100000000', '1.2.3.09']) {
      throws('TypeError', () => new URL(`http://${form}/`))
    }
  },
  'URL: IPv6 is compressed': () => {
    same(new URL('http://[1:0:0:0:0:0:0:1]/').hostname, '[1::1]')
    same(new URL('http://[::ffff:1.2.3.4]/').hostname, '[::ffff:102:304]')
    throws('TypeError', () => new URL('http://[::1'))
  },
  'URL: forbidden host code points are a TypeError': () => {
    for (const host of ['a b', 'a<b', 'a%00b', 'a|b', 'a^b', ''])
      throws('TypeError', () => new URL(`http://${host}/`))
  },
  'URL: ports above 65535 are a TypeError': () => {
    throws('TypeError', () => new URL('http://h:65536/'))
    same(new URL('http://h:00080/').port, '')
  },
  'URL: relative references': () => {
    const base = 'http://h/a/b?q#f'
    same(
      [href('c', base), href('../c', base), href('/c', base)],
      ['http://h/a/c', 'http://h/c', 'http://h/c'],
    )
    same(
      [href('?x', base), href('#y', base), href('', base)],
      ['http://h/a/b?x', 'http://h/a/b?q#y', 'http://h/a/b?q'],
    )
    same([href('//o/p', base), href('x:y', base)], ['http://o/p', 'x:y'])
  },
  'URL: a relative reference without a base is a TypeError': () => {
    throws('TypeError', () => new URL('/a'))
    throws('TypeError', () => new URL('a', 'mailto:x@y'))
  },
  'URL: opaque paths': () => {
    const url = new URL('mailto:a b?c')
    same([url.pathname, url.search, url.origin, url.host], ['a b', '?c', 'null', ''])
  },
  'URL: origin of blob, file, data and others': () => {
    same(new URL('blob:https://h/id').origin, 'https://h')
    same(
      [new URL('file:///a').origin, new URL('data:x').origin, new URL('x://h').origin],
      ['null', 'null', 'null'],
    )
  },
  'URL: file URLs know drive letters': () => same(href('file:///C|/a/../..'), 'file:///C:/'),
  'URL: protocol changes between special schemes only': () => {
    const url = new URL('http://h:443/')
    url.protocol = 'https'
    same(url.href, 'https://h/')
    url.protocol = 'x'
    same(url.href, 'https://h/')
    url.protocol = 'wss:ignored'
    same(url.href, 'wss://h/')
  },
  'URL: host and hostname set what they name': () => {
    const url = new URL('http://h:81/')
    url.hostname = 'o:99'
    same(url.host, 'h:81')
    url.hostname = 'o'
    same(url.host, 'o:81')
    url.host = 'p:82'
    same([url.hostname, url.port], ['p', '82'])
    url.host = 'a b'
    same(url.host, 'p:82')
  },
  'URL: port takes leading digits, and "" removes it': () => {
    const url = new URL('http://h/')
    url.port = '90x'
    same(url.port, '90')
    url.port = 'x'
    same(url.port, '90')
    url.port = '80'
    same(url.port, '')
    url.port = '65536'
    same(url.port, '')
  },
  'URL: username and password are encoded, and no-ops where there is no host': () => {
    const url = new URL('http://h/')
    url.username = 'a@b'
    url.password = ':'
    same(url.href, 'http://a%40b:%3A@h/')
    const file = new URL('file:///a')
    file.username = 'x'
    same(file.href, 'file:///a')
  },
  'URL: pathname, search and hash are encoded and may be left out': () => {
    const url = new URL('http://h/a?b#c')
    url.pathname = 'x y?#'
    url.search = 'q#'
    url.hash = 'f g'
    same(url.href, 'http://h/x%20y%3F%23?q%23#f%20g')
    url.search = ''
    url.hash = ''
    same(url.href, 'http://h/x%20y%3F%23')
    url.search = '?'
    same([url.href, url.search], ['http://h/x%20y%3F%23?', ''])
  },
  'URL: setting href parses anew, or throws and leaves it': () => {
    const url = new URL('http://h/')
    url.href = 'https://o/x'
    same(url.host, 'o')
    throws('TypeError', () => {
      url.href = 'nope'
    })
    same(url.href, 'https://o/x')
  },
  'URL: origin and searchParams cannot be set': () => {
    const url = new URL('http://h/')
    throws('TypeError', () => {
      ;(url as { origin: string }).origin = 'x'
    })
  },
  'URL: toString, toJSON and href agree': () => {
    const url = new URL('http://h/')
    same(
      [String(url), JSON.stringify({ url }), url.toJSON()],
      ['http://h/', '{"url":"http://h/"}', 'http://h/'],
    )
  },
  'URL: canParse and parse do not throw': () => {
    same([URL.canParse('http://h'), URL.canParse('x'), URL.canParse('x', 'http://h')], [true, false, true])
    same([URL.parse('x'), URL.parse('x', 'http://h')?.href], [null, 'http://h/x'])
  },
  'URL: arguments are made strings': () => {
    same(new URL(wrong({ toString: () => 'http://h/' })).href, 'http://h/')
    throws('TypeError', () => new URL('x', wrong(null)))
    same(new URL('http://h/', undefined).href, 'http://h/')
  },
  'URL: searchParams is the same object, and follows search and href': () => {
    const url = new URL('http://h/?a=1')
    const params = url.searchParams
    url.search = '?b=2'
    same([params === url.searchParams, params.get('a'), params.get('b')], [true, null, '2'])
    url.href = 'http://h/?c=3'
    same(String(params), 'c=3')
  },
  'URL: search follows searchParams': () => {
    const url = new URL('http://h/?a=1#x')
    url.searchParams.append('b', ' ')
    same([url.search, url.href], ['?a=1&b=+', 'http://h/?a=1&b=+#x'])
    url.searchParams.delete('a')
    url.searchParams.delete('b')
    same([url.search, url.href], ['', 'http://h/#x'])
  },
  'URL: searchParams leaves search as it is until it changes': () => {
    const url = new URL('http://h/?a=%20~')
    same([url.searchParams.get('a'), url.search], [' ~', '?a=%20~'])
    url.searchParams.append('b', '')
    same(url.search, '?a=+%7E&b=')
  },
  'URL: sort of searchParams writes the URL': () => {
    const url = new URL('http://h/?b&a')
    url.searchParams.sort()
    same(url.search, '?a=&b=')
  },
  'URL: an opaque path keeps its trailing spaces from being lost': () => {
    const url = new URL('data:x  #h')
    url.hash = ''
    ok(url.pathname.startsWith('x'))
    same(new URL(url.href).href, url.href)
  },
}
