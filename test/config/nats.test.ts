/** The section `nats` as an operator gets it wrong: what is refused, and by which name. */
import { expect, test } from 'vitest'
import { type Config, loadConfig } from '../../host/core/config.ts'

const load = (nats: string): Config => loadConfig({ env: {}, flags: { nats }, cwd: import.meta.dirname })

test('an address that no server can be at is refused by its place', () => {
  for (const server of [
    'nats://host:70000',
    'nats://[::1',
    'http://host:4222',
    'nats://user:pw@host',
    'host',
  ])
    expect(() => load(server)).toThrow(/^flag --nats: nats\.servers\[0\] is /)
  expect(() => load('nats://a,')).toThrow('nats.servers[1]')
})

test('several addresses are given by commas, IPv6 in brackets', () => {
  expect(load('nats://[::1]:4222,tls://nats').nats?.servers).toEqual(['nats://[::1]:4222', 'tls://nats'])
})

test('a place for links is auto, off, or an address and a port', () => {
  const links = (text: string): string =>
    loadConfig({ env: { VELA_NODE_LINKS: text }, flags: {}, cwd: import.meta.dirname }).node.links
  for (const fine of ['auto', 'off', '10.0.0.5:7222', '[fd00::5]:0', '0.0.0.0:65535'])
    expect(links(fine)).toBe(fine)
  for (const wrong of ['on', 'host:7222', '10.0.0.5', '10.0.0.5:70000', '300.1.1.1:1', 'fd00::5:1'])
    expect(() => links(wrong), wrong).toThrow(/VELA_NODE_LINKS.*node\.links.* such as 10\.0\.0\.5:7222/)
})
