/** TextEncoder, TextDecoder and their streams by the Encoding Standard; atob and btoa by HTML. */
import {
  bytes,
  hex,
  ok,
  readAll,
  rejects,
  same,
  streamOf,
  throws,
  unhex,
  utf8,
  wrong,
  type Checks,
} from './expect.ts'

const decode = (label: string, ...data: number[]): string => new TextDecoder(label).decode(bytes(...data))

/** A label of each encoding of the standard, with bytes above ASCII and what they mean. */
const SAMPLES: Readonly<Record<string, readonly [label: string, data: string, text: string]>> = {
  'utf-8': ['unicode-1-1-utf-8', 'c3a9', 'é'],
  ibm866: ['866', '8f', 'П'],
  'iso-8859-2': ['latin2', 'b3', 'ł'],
  'iso-8859-5': ['cyrillic', 'bf', 'П'],
  'iso-8859-7': ['greek', 'e1', 'α'],
  'iso-8859-8': ['hebrew', 'e0', 'א'],
  'iso-8859-15': ['l9', 'a4', '€'],
  'koi8-r': ['koi', 'f0', 'П'],
  'koi8-u': ['koi8-ru', 'a4', 'є'],
  macintosh: ['mac', '8e', 'é'],
  'windows-874': ['tis-620', 'a1', 'ก'],
  'windows-1250': ['cp1250', 'b3', 'ł'],
  'windows-1251': ['cp1251', 'cf', 'П'],
  'windows-1252': ['latin1', '80', '€'],
  'windows-1253': ['cp1253', 'e1', 'α'],
  'windows-1254': ['latin5', 'fd', 'ı'],
  'windows-1257': ['cp1257', 'e8', 'č'],
  'windows-1258': ['cp1258', 'fe', '₫'],
  'x-mac-cyrillic': ['x-mac-ukrainian', '8f', 'П'],
  gbk: ['gb2312', 'c4e3', '你'],
  gb18030: ['gb18030', '81308130', '\u0080'],
  big5: ['big5-hkscs', 'a741', '你'],
  'euc-jp': ['x-euc-jp', 'a4a2', 'あ'],
  'iso-2022-jp': ['csiso2022jp', '1b24422422', 'あ'],
  shift_jis: ['sjis', '82a0', 'あ'],
  'euc-kr': ['ks_c_5601-1987', 'b0a1', '가'],
  'utf-16be': ['unicodefffe', '00e9', 'é'],
  'utf-16le': ['utf-16', 'e900', 'é'],
}

const samples: Record<string, () => void> = {}
for (const [encoding, [label, data, text]] of Object.entries(SAMPLES)) {
  samples[`TextDecoder: ${encoding}, by its label "${label}"`] = () => {
    const decoder = new TextDecoder(label)
    same(decoder.encoding, encoding)
    same(decoder.decode(unhex(data)), text)
    const inPieces = Array.from(unhex(data), (byte) => decoder.decode(bytes(byte), { stream: true }))
    same(inPieces.join('') + decoder.decode(), text)
  }
}

export const encoding: Checks = {
  'TextEncoder: encodes UTF-8, lone surrogates as U+FFFD': () => {
    same(hex(new TextEncoder().encode('aé€😀\ud800')), '61c3a9e282acf09f9880efbfbd')
    same(new TextEncoder().encode().length, 0)
    same(new TextEncoder().encoding, 'utf-8')
  },
  'TextEncoder: makes a string of what it is given': () =>
    same(hex(new TextEncoder().encode(wrong(12))), '3132'),
  'TextEncoder: encodeInto fills what fits and never half a character': () => {
    const target = new Uint8Array(5)
    const { read, written } = new TextEncoder().encodeInto('a€😀', target)
    same([read, written, hex(target)], [2, 4, '61e282ac00'])
  },
  'TextEncoder: encodeInto counts a surrogate pair as two units read': () => {
    const result = new TextEncoder().encodeInto('😀', new Uint8Array(4))
    same([result.read, result.written], [2, 4])
  },
  'TextEncoder: encodeInto wants a Uint8Array': () =>
    throws('TypeError', () => new TextEncoder().encodeInto('x', wrong(new Uint8ClampedArray(2)))),
  'TextDecoder: labels are matched without case and surrounding whitespace': () => {
    same(new TextDecoder(' \t\nUTF8\f\r').encoding, 'utf-8')
    same(new TextDecoder('ISO-8859-1').encoding, 'windows-1252')
    same(new TextDecoder('ascii').encoding, 'windows-1252')
  },
  'TextDecoder: unknown labels and the replacement encoding are a RangeError': () => {
    for (const label of ['', 'utf-32', 'utf8\0', 'replacement', 'iso-2022-kr', 'hz-gb-2312', '\vutf-8']) {
      throws('RangeError', () => new TextDecoder(label))
    }
  },
  ...samples,
  'TextDecoder: euc-kr has the characters of windows-949': () => same(decode('euc-kr', 0x8c, 0x63), '똠'),
  'TextDecoder: big5 has the characters of Hong Kong': () => same(decode('big5', 0x87, 0xa1), '䏰'),
  'TextDecoder: big5 gives two code points where Unicode needs two': () =>
    same(decode('big5', 0x88, 0x62), 'Ê̄'),
  'TextDecoder: a malformed byte of gbk is U+FFFD, and what follows is read': () =>
    same(decode('gbk', 0x81, 0x20, 0xc4, 0xe3), '\ufffd 你'),
  'TextDecoder: fatal works for encodings of several bytes': () =>
    throws('TypeError', () => new TextDecoder('shift_jis', { fatal: true }).decode(bytes(0x82))),
  'TextDecoder: iso-2022-jp keeps its shift across chunks': () => {
    const decoder = new TextDecoder('iso-2022-jp')
    const pieces = ['1b24', '4224', '22', '2424', '1b2842', '61'].map((data) =>
      decoder.decode(unhex(data), { stream: true }),
    )
    same(pieces.join('') + decoder.decode(), 'あいa')
  },
  'TextDecoder: x-user-defined maps high bytes into the private use area': () =>
    same(decode('x-user-defined', 0x61, 0x80, 0xff), 'a\uf780\uf7ff'),
  'TextDecoder: iso-8859-8-i is a name of its own': () =>
    same(new TextDecoder('logical').encoding, 'iso-8859-8-i'),
  'TextDecoder: malformed UTF-8 gives one U+FFFD for each maximal subpart': () => {
    same(decode('utf-8', 0xf0, 0x9f, 0x98, 0x41), '\ufffdA')
    same(decode('utf-8', 0xc0, 0x80), '\ufffd\ufffd')
    same(decode('utf-8', 0xed, 0xa0, 0x80), '\ufffd\ufffd\ufffd')
    same(decode('utf-8', 0xe2, 0x82), '\ufffd')
  },
  'TextDecoder: fatal is a TypeError for malformed input': () => {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    for (const data of [
      bytes(0xff),
      bytes(0xe2, 0x82),
      bytes(0xed, 0xa0, 0x80),
      bytes(0xf4, 0x90, 0x80, 0x80),
    ]) {
      throws('TypeError', () => decoder.decode(data))
    }
    same(decoder.decode(bytes(0x61)), 'a')
  },
  'TextDecoder: fatal works for UTF-16 too': () => {
    throws('TypeError', () => new TextDecoder('utf-16le', { fatal: true }).decode(bytes(0, 0xd8)))
    throws('TypeError', () => new TextDecoder('utf-16le', { fatal: true }).decode(bytes(0x61)))
  },
  'TextDecoder: a byte order mark goes, unless ignoreBOM': () => {
    const data = bytes(0xef, 0xbb, 0xbf, 0x61)
    same(new TextDecoder().decode(data), 'a')
    same(new TextDecoder('utf-8', { ignoreBOM: true }).decode(data), '\ufeffa')
    same(decode('utf-16be', 0xfe, 0xff, 0, 0x61), 'a')
  },
  'TextDecoder: only the first byte order mark goes': () =>
    same(decode('utf-8', 0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf), '\ufeff'),
  'TextDecoder: a byte order mark of another encoding does not switch': () =>
    same(decode('utf-8', 0xff, 0xfe, 0x61), '\ufffd\ufffda'),
  'TextDecoder: stream keeps what is incomplete': () => {
    const decoder = new TextDecoder()
    same(decoder.decode(bytes(0xe2, 0x82), { stream: true }), '')
    same(decoder.decode(bytes(0xac), { stream: true }), '€')
    same(decoder.decode(bytes(0xe2), { stream: true }), '')
    same(decoder.decode(), '\ufffd')
  },
  'TextDecoder: a byte order mark in pieces goes as well': () => {
    const decoder = new TextDecoder()
    same(decoder.decode(bytes(0xef), { stream: true }), '')
    same(decoder.decode(bytes(0xbb, 0xbf, 0x61), { stream: true }), 'a')
    same(decoder.decode(bytes(0xef, 0xbb, 0xbf)), '\ufeff')
    same(decoder.decode(bytes(0xef, 0xbb, 0xbf, 0x62)), 'b')
  },
  'TextDecoder: takes buffers and every view, refuses others': () => {
    const { buffer } = bytes(0x61, 0x62)
    same(new TextDecoder().decode(buffer), 'ab')
    same(new TextDecoder().decode(new DataView(buffer, 1)), 'b')
    same(new TextDecoder().decode(new Uint16Array(buffer)), 'ab')
    throws('TypeError', () => new TextDecoder().decode(wrong('x')))
    throws('TypeError', () => new TextDecoder().decode(wrong(null)))
  },
  'TextDecoder: attributes': () => {
    const { encoding, fatal, ignoreBOM } = new TextDecoder('utf-8', {
      fatal: wrong(1),
      ignoreBOM: wrong('x'),
    })
    same([encoding, fatal, ignoreBOM], ['utf-8', true, true])
  },
  'TextEncoderStream: encodes, and joins surrogate pairs across chunks': async () => {
    const chunks = await readAll(streamOf('a\ud83d', '\ude00').pipeThrough(new TextEncoderStream()))
    same(chunks.map(hex).join(''), '61f09f9880')
  },
  'TextEncoderStream: a lead surrogate at the end is U+FFFD': async () => {
    const chunks = await readAll(streamOf('\ud83d').pipeThrough(new TextEncoderStream()))
    same(chunks.map(hex).join(''), 'efbfbd')
  },
  'TextDecoderStream: decodes across chunks': async () => {
    const source = streamOf(bytes(0xe2), bytes(0x82, 0xac))
    same(
      (
        await readAll(
          source.pipeThrough(
            new TextDecoderStream() as unknown as TransformStream<Uint8Array<ArrayBuffer>, string>,
          ),
        )
      ).join(''),
      '€',
    )
  },
  'TextDecoderStream: fatal errors the stream with TypeError': async () => {
    const stream = new TextDecoderStream('utf-8', { fatal: true })
    await rejects('TypeError', () => readAll(streamOf(bytes(0xff)).pipeThrough(wrong(stream))))
  },
  'TextDecoderStream: incomplete input at the end is an error when fatal': async () => {
    const stream = new TextDecoderStream('utf-8', { fatal: true })
    await rejects('TypeError', () => readAll(streamOf(bytes(0xe2)).pipeThrough(wrong(stream))))
  },
  'TextDecoderStream: a chunk that is no bytes is a TypeError': async () => {
    await rejects('TypeError', () => readAll(streamOf('text').pipeThrough(wrong(new TextDecoderStream()))))
  },
  'TextDecoderStream: attributes and labels': () => {
    same(new TextDecoderStream('latin1').encoding, 'windows-1252')
    throws('RangeError', () => new TextDecoderStream('nope'))
  },
  'atob: decodes, forgiving whitespace and missing padding': () => {
    same([atob('YQ=='), atob('YQ'), atob(' Y W\tI\n= '), atob('')], ['a', 'a', 'ab', ''])
    same(atob('gP8='), '\u0080\u00ff')
  },
  'atob: what is not base64 is an InvalidCharacterError': () => {
    for (const text of ['a', 'YQ=', 'YQ===', 'Y=Q=', '=', 'é', 'YQ-_', 'YQ==YQ==', '\v']) {
      throws('InvalidCharacterError', () => atob(text))
    }
  },
  'atob: makes a string of its argument': () => same(atob(wrong(null)), '\u009e\u00e9e'),
  'btoa: encodes bytes': () =>
    same(
      [btoa(''), btoa('a'), btoa('ab'), btoa('abc'), btoa('\u00ff')],
      ['', 'YQ==', 'YWI=', 'YWJj', '/w=='],
    ),
  'btoa: a character above U+00FF is an InvalidCharacterError': () =>
    throws('InvalidCharacterError', () => btoa('\u0100')),
  'atob: undoes btoa for every byte': () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, index) => index))
    ok(atob(btoa(all)) === all)
  },
  'TextDecoder: undoes TextEncoder for every plane': () => {
    const text = 'a\u07ff\u0800\uffff\u{10000}\u{10ffff}'
    same(new TextDecoder().decode(utf8(text)), text)
  },
}
