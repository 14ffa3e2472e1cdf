/** FormData, Blob, File, streams and structuredClone: the lazily loaded parts. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('nothing is loaded until it is touched', async () => {
  await guest.run(
    async () => (await new Response('x').text()) + new URL('http://a.b/?x=1').searchParams.get('x'),
  )
  expect(guest.loaded).toEqual([])
})

test('a form round-trips through multipart, with files, odd names and binary content', async () => {
  expect(
    await guest.run(async () => {
      const form = new FormData()
      form.append('plain', 'a\nb')
      form.append('odd"\r\nname', 'é😀')
      form.append('empty', '')
      form.append(
        'file',
        new File([new Uint8Array([0, 13, 10, 255])], 'ü".bin', { type: 'image/png', lastModified: 5 }),
      )
      form.append('blob', new Blob(['x']), 'named.txt')
      const response = new Response(form)
      const type = response.headers.get('content-type')
      const parsed = await response.formData()
      const file = parsed.get('file') as File
      return [
        /^multipart\/form-data; boundary=-{4}vela-form-[0-9a-f]{32}$/.test(type ?? ''),
        [...parsed.keys()],
        parsed.get('plain'),
        parsed.get('odd"\r\nname'),
        parsed.get('empty'),
        [file.name, file.type, [...(await file.bytes())], file instanceof File],
        (parsed.get('blob') as File).name,
      ]
    }),
  ).toEqual([
    true,
    ['plain', 'odd"\r\nname', 'empty', 'file', 'blob'],
    'a\r\nb',
    'é😀',
    '',
    ['ü".bin', 'image/png', [0, 13, 10, 255], true],
    'named.txt',
  ])
})

test('urlencoded bodies are parsed and sent', async () => {
  expect(
    await guest.run(async () => {
      const request = new Request('http://a.b/', {
        method: 'POST',
        body: new URLSearchParams({ a: '1 2', b: 'é' }),
      })
      const type = request.headers.get('content-type')
      return [type, [...(await request.formData())]]
    }),
  ).toEqual([
    'application/x-www-form-urlencoded;charset=UTF-8',
    [
      ['a', '1 2'],
      ['b', 'é'],
    ],
  ])
})

test.each([
  ['text/plain', 'x'],
  ['multipart/form-data', 'x'],
  ['multipart/form-data; boundary=b', ''],
  ['multipart/form-data; boundary=b', '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx'],
  ['multipart/form-data; boundary=b', '--b\r\n\r\nx\r\n--b--'],
  ['multipart/form-data; boundary=b', '--bx\r\n\r\n\r\n--b--'],
])('formData refuses %s %j', async (type, body) => {
  await expect(
    guest.run((t, b) => new Response(b, { headers: { 'content-type': t } }).formData(), type, body),
  ).rejects.toThrow(/TypeError: formData/)
})

test('multipart as other clients send it is understood', async () => {
  const body =
    'preamble\r\n--b\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--b  \r\nContent-Type: text/csv\r\n' +
    'Content-Disposition: form-data; name="f"; filename="x.csv"\r\n\r\n\r\n--b--\r\nepilogue'
  expect(
    await guest.run(async (text) => {
      const form = await new Response(text, {
        headers: { 'content-type': 'multipart/form-data; boundary="b"' },
      }).formData()
      const file = form.get('f') as File
      return [form.get('a'), file.name, file.type, file.size]
    }, body),
  ).toEqual(['1', 'x.csv', 'text/csv', 0])
})

test('FormData set, delete, getAll and its refusals', async () => {
  expect(
    await guest.run(() => {
      const form = new FormData()
      form.append('a', '1')
      form.append('b', '2')
      form.append('a', '3')
      form.set('a', '9')
      form.delete('b')
      form.append('n', new Blob(['x']))
      return [form.getAll('a'), form.has('b'), form.get('b'), (form.get('n') as File).name]
    }),
  ).toEqual([['9'], false, null, 'blob'])
  await expect(guest.run(() => new FormData().append('a', 'b', 'c'))).rejects.toThrow(/TypeError/)
})

test('Blob and File hold a copy, slice, and stream', async () => {
  expect(
    await guest.run(async () => {
      const bytes = new Uint8Array([65, 66, 67, 68])
      const blob = new Blob([bytes, 'é', new Blob(['z'])], { type: 'Text/PLAIN' })
      bytes.fill(0)
      const part = blob.slice(1, -2, 'a/b')
      const file = new File(['x'], 'n', { lastModified: 7 })
      const reader = blob.stream().getReader()
      const { value } = await reader.read()
      return [
        blob.size,
        blob.type,
        await blob.text(),
        await part.text(),
        part.type,
        file.lastModified,
        value!.length,
        `${file}`,
      ]
    }),
  ).toEqual([7, 'text/plain', 'ABCDéz', 'BCD\ufffd', 'a/b', 7, 7, '[object File]'])
})
