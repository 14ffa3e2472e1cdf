import { NIL, parse, stringify, v1, v3, v4, v5, v6, v7, validate, version } from 'uuid'

export default {
  fetch: () =>
    Response.json({
      v1: v1(),
      v3: v3('hello.example.com', v3.DNS),
      v4: Array.from({ length: 100 }, () => v4()),
      v5: v5('hello.example.com', v5.DNS),
      v6: v6(),
      v7: Array.from({ length: 20 }, () => v7()),
      nil: NIL,
      again: stringify(parse('6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b')),
      valid: [validate('not a UUID'), validate('6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b')],
      version: version('d9428888-122b-11e1-b85c-61cd3cbb3210'),
    }),
}
