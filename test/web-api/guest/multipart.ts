/** multipart/form-data, written (HTML's encoding algorithm) and read (Fetch's formData). */
import { bytes, ok, rejects, same, type Checks } from './expect.ts'

const read = (text: string, type = 'multipart/form-data; boundary=B'): Promise<FormData> =>
  new Response(text.replaceAll('\n', '\r\n'), { headers: { 'content-type': type } }).formData()

async function write(fill: (form: FormData) => void): Promise<string> {
  const form = new FormData()
  fill(form)
  const response = new Response(form)
  const boundary = /boundary=(\S+)/.exec(response.headers.get('content-type') ?? '')?.[1] ?? ''
  const text = await response.text()
  return text.replaceAll(boundary, 'B').replaceAll('\r\n', '\n')
}

const part = (head: string, body: string): string =>
  `--B\nContent-Disposition: form-data; ${head}\n\n${body}\n--B--\n`

export const multipart: Checks = {
  'multipart: a field is written with its name': async () =>
    same(
      await write((form) => form.append('a', 'x')),
      '--B\nContent-Disposition: form-data; name="a"\n\nx\n--B--\n',
    ),
  'multipart: a file is written with its name and type': async () =>
    same(
      await write((form) => form.append('f', new File(['x'], 'n.txt', { type: 'text/plain' }))),
      '--B\nContent-Disposition: form-data; name="f"; filename="n.txt"\nContent-Type: text/plain\n\nx\n--B--\n',
    ),
  'multipart: a file without a type is application/octet-stream': async () =>
    ok(
      (await write((form) => form.append('f', new Blob(['x'])))).includes(
        'Content-Type: application/octet-stream',
      ),
    ),
  'multipart: quotes and line breaks in names are escaped': async () => {
    const text = await write((form) => form.append('a"b\r\nc', new File([], 'd"\n.txt')))
    ok(text.includes('name="a%22b%0D%0Ac"'), text)
    ok(/filename="d%22%0(D%0)?A\.txt"/.test(text), text)
  },
  'multipart: line breaks in a value are CRLF': async () => {
    const form = new FormData()
    form.append('a', 'x\ny\rz\r\nw')
    ok((await new Response(form).text()).includes('\r\n\r\nx\r\ny\r\nz\r\nw\r\n--'))
  },
  'multipart: an empty form is only its end': async () => same(await write(() => undefined), '--B--\n'),
  'multipart: every body has a boundary of its own': () => {
    const type = (): string | null => new Response(new FormData()).headers.get('content-type')
    ok(type() !== type())
  },
  'multipart: what is written is read again': async () => {
    const form = new FormData()
    form.append('text', 'é\u{1f600}')
    form.append('empty', '')
    form.append('file', new File([bytes(0, 255, 13, 10, 45, 45)], 'ü"x.bin', { type: 'a/b' }))
    const back = await new Response(form).formData()
    const file = back.get('file') as File
    same(
      [back.get('text'), back.get('empty'), [...back.keys()]],
      ['é\u{1f600}', '', ['text', 'empty', 'file']],
    )
    same([file.name, file.type, await file.bytes()], ['ü"x.bin', 'a/b', bytes(0, 255, 13, 10, 45, 45)])
  },
  'multipart: a field of a Request is read': async () => {
    const form = new FormData()
    form.append('a', '1')
    same((await new Request('https://a.b/', { method: 'POST', body: form }).formData()).get('a'), '1')
  },
  'multipart: header names have no case, other headers are skipped': async () => {
    const form = await read('--B\nX-Other: 1\ncontent-disposition: form-data; name="a"\n\nx\n--B--\n')
    same(form.get('a'), 'x')
  },
  'multipart: the boundary may be quoted': async () => {
    const form = await read(part('name="a"', 'x'), 'multipart/form-data; boundary="B"')
    same(form.get('a'), 'x')
  },
  'multipart: the content type has no case, its boundary has': async () => {
    same((await read(part('name="a"', 'x'), 'Multipart/Form-Data; BOUNDARY=B')).get('a'), 'x')
    await rejects('TypeError', () => read(part('name="a"', 'x'), 'multipart/form-data; boundary=b'))
  },
  'multipart: without a type a file is text/plain': async () => {
    const file = (await read(part('name="f"; filename="n"', 'x'))).get('f') as File
    same([file.name, file.type], ['n', 'text/plain'])
  },
  'multipart: an empty file name is a file all the same': async () =>
    ok((await read(part('name="f"; filename=""', 'x'))).get('f') instanceof File),
  'multipart: percent escapes of quotes and line breaks in names are undone': async () => {
    const form = await read(part('name="a%22b%0D%0Ac%41"', 'x'))
    same([...form.keys()], ['a"b\r\nc%41'])
  },
  'multipart: a dash line inside a value is no boundary': async () =>
    same((await read(part('name="a"', 'x\n--X\n--'))).get('a'), 'x\r\n--X\r\n--'),
  'multipart: only the end marker is an empty form': async () => same([...(await read('--B--\n'))], []),
  'multipart: the end marker needs no line break after it': async () =>
    same((await read(part('name="a"', 'x').trimEnd())).get('a'), 'x'),
  'multipart: without a boundary, end, name or blank line it rejects with TypeError': async () => {
    await rejects('TypeError', () => read(part('name="a"', 'x'), 'multipart/form-data'))
    await rejects('TypeError', () => read('--B\nContent-Disposition: form-data; name="a"\n\nx\n'))
    await rejects('TypeError', () => read('--B\nContent-Disposition: form-data\n\nx\n--B--\n'))
    await rejects('TypeError', () => read('--B\nContent-Disposition: form-data; name="a"\n--B--\n'))
    await rejects('TypeError', () => read(''))
    await rejects('TypeError', () => read('--B\nContent-Disposition: attachment; name="a"\n\nx\n--B--\n'))
  },
  'multipart: fields keep their order and repeat': async () => {
    const form = await read(
      '--B\nContent-Disposition: form-data; name="b"\n\n1\n--B\nContent-Disposition: form-data; name="a"\n\n2\n' +
        '--B\nContent-Disposition: form-data; name="b"\n\n3\n--B--\n',
    )
    same(
      [...form],
      [
        ['b', '1'],
        ['a', '2'],
        ['b', '3'],
      ],
    )
  },
}
