import { customAlphabet, nanoid, urlAlphabet } from 'nanoid'
import { nanoid as insecure } from 'nanoid/non-secure'

const hex = customAlphabet('0123456789abcdef', 12)

export default {
  fetch: () =>
    Response.json({
      ids: Array.from({ length: 200 }, () => nanoid()),
      short: nanoid(5),
      hex: Array.from({ length: 50 }, () => hex()),
      insecure: insecure(),
      urlAlphabet,
    }),
}
