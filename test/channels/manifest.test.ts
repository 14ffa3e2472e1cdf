/** What a manifest may ask of channels, what a policy makes of it, and the types that `vela types` writes for it. */
import { expect, test } from 'vitest'
import { createChannelsKind } from '../../host/capabilities/channels.ts'
import { envTypes } from '../../host/cli/env-types.ts'
import { createChannelHub } from '../../host/concurrency/channels/hub.ts'
import type { JsonValue } from '../../host/registry/types.ts'

const kind = createChannelsKind(createChannelHub())
const place = { tenant: 'acme', service: 'shop', version: '0' }

test.each([{}, true])('%j is one binding, on the channel that is called like the service', (asked) => {
  const [binding] = kind.parse(asked)
  expect(binding).toMatchObject({
    name: 'channels',
    options: { channel: null, capacity: null, access: 'both', mode: 'queue' },
  })
})

test('a binding says channel, capacity, access, mode and what a slow receiver does; the guest learns no name', () => {
  const asked = { NEWS: { channel: 'news', capacity: 5, access: 'receive', mode: 'broadcast', slow: 'drop' } }
  const [binding] = kind.parse(asked)
  expect(binding?.options).toEqual({ ...asked.NEWS })
  expect(binding?.guest).toEqual({ mode: 'broadcast', access: 'receive' })
  expect(kind.describe(asked.NEWS as never)).toBe('receive from the channel news, a broadcast, of 5 values')
})

test.each([
  [{ A: { channel: '../x' } }, ['A', 'channel']],
  [{ A: { channel: '__proto__' } }, ['A', 'channel']],
  [{ A: { capacity: 0 } }, ['A', 'capacity']],
  [{ A: { capacity: 10_001 } }, ['A', 'capacity']],
  [{ A: { capacity: 1.5 } }, ['A', 'capacity']],
  [{ A: { access: 'all' } }, ['A', 'access']],
  [{ A: { mode: 'topic' } }, ['A', 'mode']],
  [{ A: { slow: 'drop' } }, ['A', 'slow']],
  [{ A: { size: 1 } }, ['A']],
  [{ A: 'jobs' }, ['A']],
  ['jobs', []],
  [[], []],
  [Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`B${index}`, {}])), []],
] as [JsonValue, string[]][])('%j is refused, with its place', (asked, path) => {
  expect(() => kind.parse(asked)).toThrow(expect.objectContaining({ path }))
})

test('a policy names channels and bounds their capacity', () => {
  const options = kind.parse({ A: { channel: 'jobs', capacity: 50 } })[0]?.options as never
  const narrowed = (policy: JsonValue): unknown => kind.narrow(options, policy, place)
  expect(narrowed(true)).toMatchObject({ channel: 'jobs', capacity: 50 })
  expect(narrowed({ channels: ['jobs'], capacity: 50 })).toMatchObject({ capacity: 50 })
  expect(narrowed({ channels: ['other'] })).toEqual({
    refused: "the operator's policy does not allow the channel jobs",
  })
  expect(narrowed({ capacity: 49 })).toEqual({
    refused: "the operator's policy allows a capacity of at most 49",
  })
  expect(narrowed({ most: 1 })).toMatchObject({ refused: expect.stringContaining('not understood') })
  const plain = kind.parse({})[0]?.options as never
  expect(kind.narrow(plain, { capacity: 10 }, place)).toMatchObject({ capacity: 10 })
  expect(kind.narrow(plain, { channels: ['shop'] }, place)).toMatchObject({ channel: null })
  expect([kind.checkPolicy({ channels: ['jobs'] }), kind.checkPolicy({ capacity: -1 })]).toEqual([
    undefined,
    expect.stringContaining('must be true'),
  ])
})

test('vela types knows each form', () => {
  const channels = {
    A: {},
    B: { access: 'send', channel: 'jobs' },
    C: { access: 'receive' },
    D: { mode: 'broadcast' },
    E: { mode: 'broadcast', access: 'send' },
    F: { mode: 'broadcast', access: 'receive' },
  }
  const text = envTypes({ vars: {}, capabilities: { channels } })
  const types = [...text.matchAll(/readonly (\w): import\('@vela\/guest-sdk'\)\.(\w+)/g)].map(
    (match) => match[2],
  )
  expect(types).toEqual([
    'RemoteChannel',
    'RemoteSender',
    'RemoteReceiver',
    'RemoteBroadcast',
    'RemoteSender',
    'RemoteBroadcastReceivers',
  ])
  expect(text).toContain('/** Channel jobs. */')
  expect(envTypes({ vars: {}, capabilities: { channels: {} } })).toContain('readonly channels: import')
})
