/** Blob and File by the File API. */
import { bytes, ok, readAll, same, throws, utf8, wrong, type Checks } from './expect.ts'

export const blob: Checks = {
  'Blob: joins strings, bytes, views and blobs': async () => {
    const whole = bytes(1, 2, 3, 4)
    const made = new Blob([
      'é',
      whole.buffer,
      whole.subarray(1, 2),
      new DataView(whole.buffer, 3),
      new Blob(['x']),
    ])
    same(await made.bytes(), bytes(0xc3, 0xa9, 1, 2, 3, 4, 2, 4, 0x78))
    same(made.size, 9)
  },
  'Blob: other parts are made strings, lone surrogates become U+FFFD': async () => {
    same(await new Blob(wrong([1, null, { toString: () => 'o' }, '\ud800'])).text(), '1nullo\ufffd')
  },
  'Blob: parts must be an iterable object': () => {
    throws('TypeError', () => new Blob(wrong('text')))
    throws('TypeError', () => new Blob(wrong({})))
    throws('TypeError', () => new Blob(wrong(null)))
    same(new Blob(undefined).size, 0)
  },
  'Blob: any iterable gives parts': async () => same(await new Blob(wrong(new Set(['a', 'b']))).text(), 'ab'),
  'Blob: the type is lower case, and empty when not ASCII': () => {
    same(new Blob([], { type: 'Text/HTML' }).type, 'text/html')
    same(
      [new Blob([], { type: 'a\u00e9' }).type, new Blob([], { type: 'a\u0007' }).type, new Blob([]).type],
      ['', '', ''],
    )
  },
  'Blob: endings native turns line ends into one kind, others stay': async () => {
    same(await new Blob(['a\r\nb\rc\nd'], { endings: 'native' }).text(), 'a\nb\nc\nd')
    same(await new Blob(['a\r\nb'], { endings: 'transparent' }).text(), 'a\r\nb')
    throws('TypeError', () => new Blob([], { endings: wrong('unix') }))
  },
  'Blob: an init that is no object is a TypeError': () => throws('TypeError', () => new Blob([], wrong('x'))),
  'Blob: bytes are copied when given': async () => {
    const source = bytes(1)
    const made = new Blob([source])
    source[0] = 9
    same(await made.bytes(), bytes(1))
  },
  'Blob: slice counts from either end and is clamped': async () => {
    const made = new Blob(['abcdef'])
    const texts = [
      made.slice(1, 3),
      made.slice(-2),
      made.slice(-4, -2),
      made.slice(3, 1),
      made.slice(9),
      made.slice(),
    ]
    same(await Promise.all(texts.map((slice) => slice.text())), ['bc', 'ef', 'cd', '', '', 'abcdef'])
  },
  'Blob: slice has the type it is given, else none': () => {
    const made = new Blob(['x'], { type: 'a/b' })
    same([made.slice().type, made.slice(0, 1, 'C/D').type, made.slice(0, 1, '\u00e9').type], ['', 'c/d', ''])
  },
  'Blob: text decodes as UTF-8, replacing what is malformed': async () => {
    same(await new Blob([bytes(0xff, 0x61)]).text(), '\ufffda')
    same(await new Blob([bytes(0xef, 0xbb, 0xbf, 0x61)]).text(), 'a')
  },
  'Blob: arrayBuffer and bytes give new memory each time': async () => {
    const made = new Blob(['x'])
    const first = await made.bytes()
    first[0] = 0
    same(await made.text(), 'x')
    ok((await made.arrayBuffer()) instanceof ArrayBuffer)
  },
  'Blob: stream gives its bytes, also to a BYOB reader': async () => {
    const made = new Blob(['abc'])
    same(new TextDecoder().decode(await new Blob(await readAll(made.stream())).bytes()), 'abc')
    const { value } = await made.stream().getReader({ mode: 'byob' }).read(new Uint8Array(2))
    same(value, utf8('ab'))
  },
  'Blob: an empty one has an empty stream': async () => same(await readAll(new Blob().stream()), []),
  'File: has a name, a type and a time': () => {
    const file = new File(['x'], 'a/b.txt', { type: 'Text/Plain', lastModified: 5 })
    same(
      [file.name, file.type, file.size, file.lastModified, file instanceof Blob],
      ['a/b.txt', 'text/plain', 1, 5, true],
    )
  },
  'File: lastModified is now unless it is given': () => same(new File([], 'x').lastModified, Date.now()),
  'File: lastModified is a long long': () => {
    same(new File([], 'x', { lastModified: wrong('7.9') }).lastModified, 7)
    same(new File([], 'x', { lastModified: NaN }).lastModified, 0)
  },
  'File: too few arguments are a TypeError': () => {
    throws('TypeError', () => Reflect.construct(File, [['x']]))
    throws('TypeError', () => Reflect.construct(File, []))
  },
  'File: slice is a Blob, no File': () => ok(!(new File(['x'], 'n').slice() instanceof File)),
}

export const formData: Checks = {
  'FormData: append, get, getAll, has, delete': () => {
    const form = new FormData()
    form.append('a', '1')
    form.append('a', '2')
    same([form.get('a'), form.getAll('a'), form.has('a'), form.get('b')], ['1', ['1', '2'], true, null])
    form.delete('a')
    same([...form], [])
  },
  'FormData: set replaces all in the first place': () => {
    const form = new FormData()
    for (const pair of ['a1', 'b2', 'a3']) form.append(pair.charAt(0), pair.charAt(1))
    form.set('a', '4')
    same(
      [...form],
      [
        ['a', '4'],
        ['b', '2'],
      ],
    )
  },
  'FormData: a Blob becomes a File called "blob"': () => {
    const form = new FormData()
    form.append('a', new Blob(['x'], { type: 'a/b' }))
    const file = form.get('a') as File
    same([file instanceof File, file.name, file.type, file.size], [true, 'blob', 'a/b', 1])
  },
  'FormData: a file name renames, else a File stays the same object': () => {
    const form = new FormData()
    const file = new File(['x'], 'old', { lastModified: 3 })
    form.append('a', file)
    form.append('b', file, 'new')
    ok(form.get('a') === file)
    const renamed = form.get('b') as File
    same([renamed.name, renamed.lastModified, file.name], ['new', 3, 'old'])
  },
  'FormData: a file name with a string is a TypeError': () =>
    throws('TypeError', () => new FormData().append('a', wrong('x'), 'name')),
  'FormData: values are made strings': () => {
    const form = new FormData()
    form.append('a', wrong(1))
    form.append('b', wrong({}))
    form.append('c\ud800', '\ud800')
    same(
      [...form.entries()],
      [
        ['a', '1'],
        ['b', '[object Object]'],
        ['c\ufffd', '\ufffd'],
      ],
    )
  },
  'FormData: too few arguments are a TypeError': () => {
    const form = new FormData()
    throws('TypeError', () => Reflect.apply(form.append, form, ['a']))
    throws('TypeError', () => Reflect.apply(form.get, form, []))
  },
  'FormData: a form element as argument is a TypeError, undefined is none': () => {
    throws('TypeError', () => Reflect.construct(FormData, [null]))
    same([...(Reflect.construct(FormData, [undefined]) as FormData)], [])
  },
  'FormData: iterates live, with keys and values': () => {
    const form = new FormData()
    form.append('a', '1')
    const seen: string[] = []
    for (const [name] of form) {
      seen.push(name)
      if (seen.length === 1) form.append('b', '2')
    }
    same(
      [seen, [...form.keys()], [...form.values()]],
      [
        ['a', 'b'],
        ['a', 'b'],
        ['1', '2'],
      ],
    )
  },
}
